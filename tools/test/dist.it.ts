import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { build } from '../build.ts'

suite('Published packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-dist-'))
  let tarballs: Readonly<Record<string, string>> = {}

  before(async () => {
    tarballs = await build()
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** Installs packages into an empty folder, with nothing of this repository around them. */
  function install(name: string, packages: readonly string[]): string {
    const at = join(folder, name)
    mkdirSync(at)
    writeFileSync(join(at, 'package.json'), JSON.stringify({ name: 'somebody', version: '1.0.0', type: 'module', private: true }))
    run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...packages.map((one) => tarballs[one] ?? one)], at)
    return at
  }

  function run(command: string, args: readonly string[], cwd: string): string {
    const result = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: '' } })
    assert.equal(result.status, 0, `${command} ${args.join(' ')}\n${result.stdout}${result.stderr}`)
    return result.stdout
  }

  test('the codecs alone sign and verify a message', () => {
    const at = install('codecs', ['@curfew/codecs'])
    writeFileSync(
      join(at, 'use.js'),
      `import { generateKeyPairSync } from 'node:crypto'
import { decodePost, serialiseLogoutRequest, signMessage, verificationKeyFromPublicKey, verifyLogoutRequest } from '@curfew/codecs'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const message = { kind: 'LogoutRequest', id: '_1', issuer: 'https://a.example', issueInstant: Temporal.Now.instant(), subject: { value: 'ana' }, sessionIndexes: ['x'], asynchronous: false }
const xml = await signMessage(serialiseLogoutRequest(message), { key: privateKey, algorithm: 'rsa-sha256' })
const received = decodePost([['SAMLRequest', Buffer.from(xml).toString('base64')]])
console.log(verifyLogoutRequest(received, { entityId: 'https://a.example', keys: [verificationKeyFromPublicKey(publicKey)] }).sessionIndexes.join())`
    )
    assert.equal(run(process.execPath, ['use.js'], at).trim(), 'x')
  })

  test('the SDK alone makes a service provider', () => {
    const at = install('sdk', ['@curfew/codecs', '@curfew/sdk'])
    writeFileSync(
      join(at, 'use.js'),
      `import * as sdk from '@curfew/sdk'\nconsole.log(typeof sdk.createServiceProvider, typeof sdk.expressGuard, typeof sdk.fastifyGuard, typeof sdk.guardNode)`
    )
    assert.equal(run(process.execPath, ['use.js'], at).trim(), 'function function function function')
  })

  test('the product alone runs its demo', () => {
    const at = install('curfew', ['@curfew/codecs', '@curfew/sdk', 'curfew'])
    const bin = join(at, 'node_modules/curfew/bin/curfew.js')
    assert.match(run(process.execPath, [bin, 'version'], at), /^\d+\.\d+\.\d+/)
    const port = 20_000 + Math.floor(process.pid % 20_000)
    assert.match(run(process.execPath, [bin, 'demo', '--once', '--port', String(port)], at), /^\d+ passed, 0 failed$/m)
  })
})
