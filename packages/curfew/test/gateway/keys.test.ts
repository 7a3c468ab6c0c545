import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import type { GatewayContext } from '../../src/gateway/context.ts'
import { sendCookieKeys } from '../../src/gateway/endpoints/keys.ts'
import { createSignedSealer } from '../../src/gateway/session/sealer.ts'
import { sealUse } from '../../src/gateway/session/session-cookies.ts'
import { systemRandom } from '../../src/platform/random.ts'

const secret = Buffer.alloc(32, 5)
const nowMs = 1_772_438_400_000

suite('The published keys of signed web sessions', () => {
  test('have a name each, and a cookie names the one that it is signed with', () => {
    const webSessions = ['one', 'two'].map((id) => ({ id, audience: id, cookieType: 'signed' as const, maxMs: 3_600_000 }))
    let body = ''
    const response = { writeHead: () => ({ end: (octets: Buffer) => void (body = octets.toString()) }) } as unknown as ServerResponse
    const settings = { applications: webSessions.map((webSession) => ({ webSession })) }
    sendCookieKeys({ settings, secret, clock: { nowMs: () => nowMs } } as unknown as GatewayContext, response)
    const names = (JSON.parse(body) as { readonly keys: readonly { readonly kid: string }[] }).keys.map(({ kid }) => kid)
    assert.equal(new Set(names).size, names.length)
    for (const webSession of webSessions) {
      const cookie = createSignedSealer({ secret, use: sealUse(webSession), maxMs: webSession.maxMs, random: systemRandom }).seal('x', nowMs)
      const { kid } = JSON.parse(Buffer.from(cookie.split('.')[0] ?? '', 'base64url').toString()) as { readonly kid: string }
      assert.ok(names.includes(kid), kid)
    }
  })
})
