import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { curfew, startCurfew, stopped, untilPrinted } from './bin.ts'
import { freeRange } from '../support/ports.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-demo-'))
/** The demo takes ports that follow each other, up to twenty above the first. */
const port = await freeRange(224)

after(() => rmSync(folder, { recursive: true, force: true }))

suite('the demo', { timeout: 180_000 }, () => {
  test('prints what exists, signs in and out of everything, and stops with 0', async () => {
    const { code, out, err } = await curfew(folder, ['demo', '--once', '--port', String(port)])
    assert.equal(code, 0, out + err)
    const [start] = out.split('\n  ok ')
    assert.deepEqual(
      (start ?? '')
        .split('\n')
        .slice(1, 23)
        .map((line) => line.replaceAll(/:\d{5}/g, ':PORT')),
      [
        '  Curfew 0.1.0  demo   state in .curfew/demo, nothing leaves this machine',
        '',
        '  Sign in          http://curfew.localhost:PORT/           user ana, password ana',
        '  or at Campus     http://campus.localhost:PORT/           user zoe, password zoe; SAML 2.0, upstream',
        '  Admin API        http://127.0.0.1:PORT/v1                token in .curfew/demo.token',
        '  Metrics          http://127.0.0.1:PORT/metrics',
        '',
        '  Applications     http://payroll.localhost:PORT    SAML 2.0',
        '                   http://intranet.localhost:PORT   SAML 2.0, SOAP back-channel',
        '                   http://legacy.localhost:PORT     answers slowly, sometimes not at all',
        '                   http://wiki.localhost:PORT       OpenID Connect, back-channel',
        '                   http://chat.localhost:PORT       OpenID Connect, front-channel: can not confirm',
        '                   http://forms.localhost:PORT      OpenToken, neither SAML nor OpenID',
        '                   http://device.localhost:PORT     OpenID Connect, offline access: survives a sign-out',
        '                   http://timesheet.localhost:PORT  SAML 2.0, with the addresses of PingOne',
        '                   http://board.localhost:PORT      behind the gateway, knows nothing of all this',
        '',
        '  Try this         open the first three, then:  npx curfew logout --user ana --watch',
        '  Break it         npx curfew trigger logout --partner legacy --fault no-response',
        '  Stop             Ctrl+C',
        ''
      ]
    )
    assert.match(out, /ok {4}Device keeps access, its own journal says so/)
    assert.match(out, /ok {4}signed out at Campus/)
    assert.match(out, /\d+ passed, 0 failed/)
    assert.ok(existsSync(join(folder, '.curfew/demo/data/curfew.db')))
    assert.equal(statSync(join(folder, '.curfew/demo.token')).mode & 0o077, 0)
  })

  test('goes on with the state it left', async () => {
    const { code, out, err } = await curfew(folder, ['demo', '--once', '--port', String(port)])
    assert.equal(code, 0, out + err)
  })

  test('ports that are taken are said to be taken, nothing is left running, and a running demo keeps its configuration', async () => {
    const other = mkdtempSync(join(tmpdir(), 'curfew-demo-taken-'))
    const running = startCurfew(other, ['demo', '--port', String(port + 100)])
    try {
      await untilPrinted(running, 'Ctrl+C')
      const config = readFileSync(join(other, '.curfew/demo/curfew.yaml'), 'utf8')
      const samePort = await curfew(folder, ['demo', '--port', String(port + 100)])
      assert.equal(samePort.code, 1)
      assert.match(samePort.err, /CURFEW_CLI_ADDRESS_IN_USE\n {2}address {2}127\.0\.0\.1:\d+\n {2}why {6}EADDRINUSE\n/)
      const sameFolder = await curfew(other, ['demo', '--port', String(port + 200)])
      assert.equal(sameFolder.code, 78)
      assert.match(sameFolder.err, /CURFEW_STORE_LOCKED/)
      assert.equal(readFileSync(join(other, '.curfew/demo/curfew.yaml'), 'utf8'), config)
    } finally {
      await stopped(running)
      rmSync(other, { recursive: true, force: true })
    }
  })

  test('prints a line for the hosts file', async () => {
    const { code, out } = await curfew(folder, ['demo', '--hosts-line'])
    assert.deepEqual(
      [code, out],
      [
        0,
        '127.0.0.1 curfew.localhost campus.localhost payroll.localhost intranet.localhost legacy.localhost wiki.localhost chat.localhost forms.localhost device.localhost timesheet.localhost board.localhost\n'
      ]
    )
  })

  test('a partner without a demo is said to be unreachable, not unknown', async () => {
    rmSync(join(folder, '.curfew/demo/control.url'))
    const { code, err } = await curfew(folder, ['trigger', 'logout', '--partner', 'legacy'])
    assert.equal(code, 69)
    assert.match(err, /npm run demo/)
  })
})
