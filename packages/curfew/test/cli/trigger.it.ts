import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { stringify } from 'yaml'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { freeRange } from '../support/ports.ts'
import { curfew, startCurfew, stopped, untilPrinted } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-trigger-'))
const port = await freeRange(24)
const held: { demo?: ChildProcess; other?: Server } = {}
/** Questions that the other installation got. */
const asked: string[] = []

/** A demo, and in the same folder the configuration of another installation, whose admin address only listens. */
before(async () => {
  const demo = startCurfew(folder, ['demo', '--port', String(port)])
  held.demo = demo
  await untilPrinted(demo, 'Ctrl+C')
  held.other = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(500).end()
  }).listen(0, '127.0.0.1')
  await once(held.other, 'listening')
  const config = {
    server: { baseUrl: 'https://login.example.com' },
    admin: { listen: [`127.0.0.1:${(held.other.address() as AddressInfo).port}`], token: 'the token of the other installation' },
    saml: { keys: [{ key: 'key.pem', certificate: 'crt.pem' }] },
    sessions: { secretFile: 'secret' },
    signOn: { users: 'users.yaml' }
  }
  writeFileSync(join(folder, 'curfew.yaml'), stringify(config))
})

after(async () => {
  if (held.demo !== undefined) await stopped(held.demo)
  held.other?.close()
  rmSync(folder, { recursive: true, force: true })
})

suite('curfew trigger beside another installation', { timeout: 180_000 }, () => {
  test('signs out at the demo, and asks the other one nothing', async () => {
    const browser = new PlainBrowser()
    try {
      await browser.submit(await browser.open(`http://intranet.localhost:${port + 12}/`), { username: 'ana', password: 'ana' })
      const { code, out, err } = await curfew(folder, ['trigger', 'logout', '--partner', 'legacy', '--fault', 'no-response'])
      assert.equal(code, 0, out + err)
      assert.match(out, /^run_\w+ {2}ana {2}started by cli\n/)
      assert.match(out, /intranet/)
      assert.deepEqual(asked, [])
    } finally {
      await browser.close()
    }
  })

  test('makes the partner misbehave, and says of it that it did not answer', async () => {
    const browser = new PlainBrowser()
    try {
      await browser.submit(await browser.open(`http://intranet.localhost:${port + 12}/`), { username: 'ana', password: 'ana' })
      await browser.open(`http://legacy.localhost:${port + 13}/`)
      const { code, out, err } = await curfew(folder, ['trigger', 'logout', '--partner', 'legacy', '--fault', 'error-500'])
      assert.equal(code, 2, out + err)
      assert.match(err, /legacy now answers with HTTP 500, the session stays/)
      assert.match(out, /!! {2}legacy +answered with an HTTP error .*attempt 1 of 4/)
      assert.match(out, /intranet .*signed out, confirmed/)
      assert.match(out, /partial .*1 confirmed/)
      const journal = (await (await fetch(`http://127.0.0.1:${port + 19}/legacy/journal`)).json()) as { entries: { event: string }[] }
      assert.equal(journal.entries.at(-1)?.event, 'signed-in')
    } finally {
      await browser.close()
    }
  })

  test('signs in at the demo: a partner that asks as somebody else is refused, one that breaks off has no session, and each says so itself', async () => {
    const login = (...more: readonly string[]): ReturnType<typeof curfew> => curfew(folder, ['trigger', 'login', ...more])
    const refused = await login('--partner', 'legacy', '--fault', 'bad-signature')
    assert.equal(refused.code, 1, refused.out + refused.err)
    assert.match(refused.err, /legacy now asks for a sign-in with a signature of somebody else/)
    assert.match(
      refused.out,
      /the page says: That did not work.*\n {2}why: look for msg_\w+ in what curfew demo --verbose prints\n {2}!! {2}legacy did not sign ana in/
    )
    const broken = await login('--partner', 'legacy', '--fault', 'error-500')
    assert.deepEqual([broken.code, /Curfew asks for the password\n/.test(broken.out), /!! {2}legacy did not sign ana in/.test(broken.out)], [2, true, true])
    const good = await login('--partner', 'legacy')
    assert.deepEqual([good.code, /ok {2}legacy signed ana in: its own journal says so\n$/.test(good.out)], [0, true])
    assert.equal((await login('--partner', 'wiki')).code, 0)
    for (const partner of ['device', 'nobody']) assert.equal((await login('--partner', partner)).code, 3)
    assert.equal((await login('--partner', 'wiki', '--fault', 'slow')).code, 3)
    assert.equal((await login('--partner', 'legacy', '--fault', 'bogus')).code, 64)
    assert.equal((await login('--partner', 'legacy', '--server', 'http://127.0.0.1:9')).code, 64)
    assert.deepEqual(asked, [])
  })

  test('is not pointed anywhere else', async () => {
    for (const more of [
      ['--server', 'http://127.0.0.1:9'],
      ['--config', 'curfew.yaml'],
      ['--token-file', 'token']
    ]) {
      const { code, err } = await curfew(folder, ['trigger', 'logout', '--partner', 'legacy', ...more])
      assert.equal(code, 64)
      assert.match(err, /leave out --config, --server and --token-file/)
    }
    assert.deepEqual(asked, [])
  })
})
