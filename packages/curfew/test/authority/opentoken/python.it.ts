import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'
import { decodeOpenToken, encodeOpenToken, type OpenTokenPairs, openTokenKey } from '@curfew/codecs'
import { systemClock } from '../../../src/platform/clock.ts'
import { signIn } from '../kit.ts'
import { authorityUrl } from '../partner.ts'
import { createAdapterKit, outcomes, runOf, settingsOf, startLogout } from './application.ts'

const program = fileURLToPath(new URL('../../../../../interop/opentoken/application.py', import.meta.url))
const python = '/usr/bin/python3'
const isThere = spawnSync(python, ['-c', 'import cryptography'], { stdio: 'ignore' }).status === 0
const password = 'shared secret, ü'

function ask(what: 'encode' | 'decode', id: number, values: readonly unknown[]): readonly unknown[] {
  const { stdout, status, stderr } = spawnSync(python, [program, what, '--password', password, '--suite', String(id)], {
    input: values.map((value) => JSON.stringify(value)).join('\n'),
    encoding: 'utf8'
  })
  assert.equal(status, 0, stderr)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

const samples: readonly OpenTokenPairs[] = [
  [['subject', 'ana']],
  [
    ['subject', 'Zoë 北京'],
    ['group', 'a'],
    ['group', "d'angelo"],
    ['note', 'one\ntwo\\ "three"'],
    ['empty', ''],
    ['padded', '  x  ']
  ],
  [['subject', 'x'.repeat(4_000)]]
]

suite('An application in another language, written from the description alone', { skip: isThere ? false : 'python3-cryptography is not installed' }, () => {
  for (const id of [1, 2, 3] as const) {
    test(`reads what is written here and writes what is read here (suite ${id}), and refuses what was changed`, () => {
      const key = openTokenKey(id, password)
      const written = samples.map((pairs, i) => encodeOpenToken(pairs, key, Buffer.alloc(key.suite.ivBytes, i + 1)))
      assert.deepEqual(ask('decode', id, written), samples)
      assert.deepEqual(
        ask('encode', id, samples).map((token) => decodeOpenToken(String(token), [key]).pairs),
        samples
      )
      const changed = written.map((token) => token.slice(0, 40) + (token[40] === 'A' ? 'B' : 'A') + token.slice(41))
      assert.deepEqual(ask('decode', id, changed), [null, null, null])
    })
  }

  test('AC-021 AC-022 AC-023 it is opened, visited at the logout, ends its session, and its bare return is what the record says', async () => {
    const child = spawn(python, [program, 'serve', '--password', password, '--authority', authorityUrl], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const port = Number(String(await new Promise((resolve) => child.stdout.once('data', resolve))))
      const origin = `http://127.0.0.1:${port}`
      const settings = settingsOf('python', { password, targetUrl: `${origin}/open`, logoutService: `${origin}/logout` })
      await using kit = await createAdapterKit([settings], { startMs: systemClock.nowMs() })
      const browser = kit.browser()
      await signIn(browser, '/')
      const start = await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=python')
      const opened = await fetch(String(start.headers.location), { redirect: 'manual' })
      assert.equal(opened.status, 303)
      const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? ''
      const who = async (): Promise<string> => (await fetch(origin, { headers: { cookie } })).text()
      assert.equal(await who(), 'ana')
      const run = await startLogout(browser)
      const away = String((await browser.get(`${run}/go`)).headers.location)
      const back = await fetch(away, { headers: { cookie }, redirect: 'manual' })
      assert.equal(await who(), 'nobody')
      assert.equal((await browser.get(back.headers.get('location') ?? '')).headers.location, run)
      assert.deepEqual(await outcomes(kit, run), [['python', 'ended']])
      const { outcome } = (await runOf(kit, run)).deliveries[0] ?? {}
      assert.equal(outcome?.kind === 'ended' && outcome.proof.kind, 'browser-return')
      assert.equal((await fetch(`${origin}/open?opentoken=forged`, { redirect: 'manual' })).status, 400)
    } finally {
      child.kill()
    }
  })
})
