import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { clearEverywhere, clearOwn } from '../../../src/gateway/session/every-cookie.ts'
import { createSessionCookies } from '../../../src/gateway/session/session-cookies.ts'
import type { WebSessionSettings } from '../../../src/gateway/settings.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

const host = 'wiki.intranet.emea.example.com:8443'
const names = ['wiki.intranet.emea.example.com', 'intranet.emea.example.com', 'emea.example.com', 'example.com']

function stage(count: number, partitioned = false) {
  const webSessions = Array.from(
    { length: count },
    (_, i): WebSessionSettings => ({
      id: `s${i}`,
      audience: `A${i}`,
      cookieType: 'encrypted',
      httpOnly: true,
      sameSite: 'lax',
      partitioned,
      idleMs: 3_600_000,
      maxMs: 14_400_000
    })
  )
  const cookies = createSessionCookies({ secret: Buffer.alloc(32, 3), random: systemRandom, webSessions })
  const clock = createFakeClock()
  const own = (more: Partial<WebSessionSettings>) => webSessions.flatMap((one) => clearOwn({ cookies }, { ...one, ...more }, { isSecure: true }))
  return { clock, own, clear: (url: string) => clearEverywhere({ cookies, clock }, { url }, { host, isSecure: true }, webSessions) }
}

/** What a line of `Set-Cookie` clears. */
function jarOf(line: string): string {
  const [name = ''] = line.split('=', 1)
  const part = (pattern: RegExp): string | undefined => pattern.exec(line)?.[1]
  return `${name} ${part(/Domain=([^;]+)/) ?? 'host'} ${part(/Path=([^;]+)/) ?? ''}${line.includes('; Partitioned') ? ' partitioned' : ''}`
}

suite('Clearing the cookies of more than one session', () => {
  test('a head stays within what proxies take, the whole host is always in it, and every part has its turn', async () => {
    const { clock, clear } = stage(2)
    const root = ['A0', 'A1'].flatMap((audience) => ['host', ...names].map((domain) => `PA.${audience} ${domain} /`))
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++) {
      const lines = clear(`/${'a'.repeat(40)}/b/c/d?e`)
      assert.ok(lines.reduce((sum, line) => sum + `set-cookie: ${line}\r\n`.length, 0) <= 3_100)
      for (const line of lines) assert.match(line, /^PA\.A\d=;.*Max-Age=0$/)
      const jars = lines.map(jarOf)
      assert.deepEqual(jars.slice(0, root.length).toSorted(), root.toSorted())
      for (const jar of jars) seen.add(jar)
      await clock.advance(1_000)
    }
    assert.equal(seen.size, 2 * 5 * 7)
  })

  test('a partitioned cookie is cleared, and one of the same name that is not', () => {
    const jars = stage(1, true).clear('/').map(jarOf)
    assert.deepEqual(jars.toSorted(), ['host', ...names].flatMap((domain) => [`PA.A0 ${domain} /`, `PA.A0 ${domain} / partitioned`]).toSorted())
  })
})

suite('Clearing the cookie of one session', () => {
  test('takes those along that the host wrote before it came to share it with a domain, or to keep it partitioned, and no more', () => {
    const jars = (more: Partial<WebSessionSettings>, partitioned = false): readonly string[] => stage(1, partitioned).own(more).map(jarOf)
    const cookieDomain = 'example.com'
    assert.deepEqual(jars({}), ['PA.A0 host /'])
    assert.deepEqual(jars({ cookieDomain }), ['PA.A0 example.com /', 'PA.A0 host /'])
    assert.deepEqual(jars({}, true), ['PA.A0 host / partitioned', 'PA.A0 host /'])
    assert.deepEqual(jars({ cookieDomain }, true), ['PA.A0 example.com / partitioned', 'PA.A0 host / partitioned', 'PA.A0 example.com /', 'PA.A0 host /'])
  })
})
