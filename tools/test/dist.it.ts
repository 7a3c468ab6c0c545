import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freeRange } from '../../packages/curfew/test/support/ports.ts'
import { createSelfSigned } from '../../packages/curfew/src/platform/certificate.ts'
import { systemRandom } from '../../packages/curfew/src/platform/random.ts'
import { build } from '../build.ts'
import { tryApplication, writeGuide } from './sdk-guide.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'curfew-dist-'))
const tarballs = await build()

after(() => rmSync(folder, { recursive: true, force: true }))

interface Finished {
  readonly status: number | null
  readonly text: string
}

function start(command: string, args: readonly string[], cwd: string): Finished {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: '' }
  })
  return { status, text: `${stdout}${stderr}${error?.message ?? ''}` }
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, text } = start(command, args, cwd)
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${text}`)
  return text
}

/** Installs packages into an empty folder, with nothing of this repository around them. */
function install(name: string, packages: readonly string[]): Finished & { readonly at: string } {
  const at = join(folder, name)
  mkdirSync(at)
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: 'somebody', version: '1.0.0', type: 'module', private: true }))
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...packages.map((one) => tarballs[one] ?? one)]
  return { at, ...start('npm', args, at) }
}

/** Type errors of a program that uses what is installed, with the strictness of this repository; '' when it has none. */
function typeErrors(at: string, program: string, more: readonly string[] = []): string {
  writeFileSync(join(at, 'use.ts'), program)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'esnext',
    lib: ['esnext', 'dom', 'dom.iterable'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')]
  }
  writeFileSync(join(at, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...compilerOptions, skipLibCheck: true }, files: ['use.ts', ...more] }))
  return start(join(root, 'node_modules/.bin/tsc'), ['-p', at], at).text
}

const codecs = install('codecs', ['@curfew/codecs'])
const isOffline = codecs.status !== 0 && /\b(ENOTFOUND|EAI_AGAIN|ENOTCACHED|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)\b/.test(codecs.text)

/** What the applications of the guide use beside the SDK. */
const guidePackages = ['express@5.3.0', '@types/express@5.0.6', 'fastify@5.12.8', 'ws@8.23.0']

suite('Published packages', { skip: isOffline ? 'npm can not reach its registry' : false }, () => {
  test('the codecs alone sign and verify a message', () => {
    assert.equal(codecs.status, 0, codecs.text)
    writeFileSync(
      join(codecs.at, 'use.js'),
      `import { generateKeyPairSync } from 'node:crypto'
import { decodePost, serialiseLogoutRequest, signMessage, verificationKeyFromPublicKey, verifyLogoutRequest } from '@curfew/codecs'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const message = { kind: 'LogoutRequest', id: '_1', issuer: 'https://a.example', issueInstant: Temporal.Now.instant(), subject: { value: 'ana' }, sessionIndexes: ['x'], asynchronous: false }
const xml = await signMessage(serialiseLogoutRequest(message), { key: privateKey, algorithm: 'rsa-sha256' })
const received = decodePost([['SAMLRequest', Buffer.from(xml).toString('base64')]])
console.log(verifyLogoutRequest(received, { entityId: 'https://a.example', keys: [verificationKeyFromPublicKey(publicKey)] }).sessionIndexes.join())`
    )
    assert.equal(run(process.execPath, ['use.js'], codecs.at).trim(), 'x')
  })

  test('the codecs have types', () => {
    const program = (right: string): string =>
      `import { isCurfewError, strictBase64 } from '@curfew/codecs'\nexport const ok: ${right} = isCurfewError(strictBase64)\n`
    assert.equal(typeErrors(codecs.at, program('boolean')), '')
    assert.match(typeErrors(codecs.at, program('string')), /TS2322/)
  })

  test('the SDK alone guards an application: nobody gets in without a session, and a logout token and a LogoutRequest by SOAP end one', async () => {
    const { at, status, text } = install('sdk', ['@curfew/codecs', '@curfew/sdk'])
    assert.equal(status, 0, text)
    assert.equal(existsSync(join(at, 'node_modules/curfew')), false)
    const { keyPem, certificatePem } = await createSelfSigned('payroll', { fromMs: Date.now(), days: 1 }, systemRandom)
    writeFileSync(join(at, 'key.pem'), keyPem)
    writeFileSync(join(at, 'certificate.pem'), certificatePem)
    const program = readFileSync(fileURLToPath(new URL('sdk-application.ts', import.meta.url)), 'utf8')
    assert.equal(typeErrors(at, program), '')
    assert.deepEqual(run(process.execPath, ['use.ts'], at).trim().split('\n'), [
      '401 nobody, 200 ana, 400, 200 ana, 200, 401 nobody',
      '401 nobody, 200 ana, 400, 200 ana, 200 Success, 401 nobody'
    ])
    assert.match(typeErrors(at, program.replace(/guardNode\(guard, /, 'guardNode(7, ')), /TS2345/)
  })

  test('each application of the guide to the session guard runs as it is written there, started before its authority, and has types', async () => {
    const { at, status, text } = install('guide', ['@curfew/codecs', '@curfew/sdk', ...guidePackages])
    assert.equal(status, 0, text)
    writeGuide(at)
    for (const program of ['express-app.js', 'fastify-app.js', 'node-app.js']) await tryApplication(at, program)
    const program = (right: string): string =>
      `import { expressGuard, fastifyGuard, type Guard } from '@curfew/sdk'
import express from 'express'
import fastify from 'fastify'
export function serve(guard: Guard): void {
  const [one, other] = [express(), fastify()]
  one.use(expressGuard(guard)).get('/', (request, response) => void response.send(${right}))
  fastifyGuard(other, guard)
  other.get('/', async (request) => request.appSession?.nameId.value ?? '')
}
`
    assert.equal(typeErrors(at, program(`request.appSession?.nameId.value ?? ''`), ['app-session.d.ts']), '')
    assert.match(typeErrors(at, program('request.appSession.nameId.value'), ['app-session.d.ts']), /TS18048|TS2532/)
  })

  test('the product alone has its program, its types and its demo', async () => {
    const { at, status, text } = install('curfew', ['@curfew/codecs', '@curfew/sdk', 'curfew'])
    assert.equal(status, 0, text)
    const bin = join(at, 'node_modules/.bin/curfew')
    assert.match(run(bin, ['version'], at), /^\d+\.\d+\.\d+/)
    assert.match(run(bin, ['docs', 'tls'], at), /^# /)
    const program = (folder: string): string =>
      `import { createServer, defineConfig } from 'curfew'\nexport const server = createServer(defineConfig({} as never), { folder: ${folder} })\n`
    assert.equal(typeErrors(at, program(`'.'`)), '')
    assert.match(typeErrors(at, program('7')), /TS2322/)
    assert.match(run(bin, ['demo', '--once', '--port', String(await freeRange(40))], at), /^\d+ passed, 0 failed$/m)
  })

  test('a tarball holds what it needs and nothing of the sources', () => {
    for (const name of ['codecs', 'sdk', 'curfew']) {
      const files = readdirSync(join(root, 'dist', name), { recursive: true, encoding: 'utf8' })
      assert.deepEqual(
        files.filter((file) => /(?<!\.d)\.ts$|(^|\/)test\/|tsconfig|node_modules/.test(file)),
        [],
        name
      )
      assert.ok(files.includes('LICENSE') && files.includes('README.md'), name)
      assert.doesNotMatch(readFileSync(join(root, 'dist', name, 'package.json'), 'utf8'), /"(workspaces|scripts|private)"|\/src\//)
    }
    for (const folder of ['reference/errors', 'how-to', 'concepts']) assert.ok(existsSync(join(root, 'dist/curfew/docs', folder)), folder)
  })
})
