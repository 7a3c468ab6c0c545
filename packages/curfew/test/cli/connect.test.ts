import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { adminAccess } from '../../src/cli/connect.ts'
import type { GlobalOptions } from '../../src/cli/context.ts'
import { contextOf } from './context.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-connect-'))
after(() => rmSync(folder, { recursive: true }))

const own = 'the token of the configuration'
const given = 'the token of somebody else'
const settings = (admin: object): string =>
  JSON.stringify({
    server: { baseUrl: 'https://login.example.com' },
    admin,
    saml: { keys: [{ key: 'key.pem', certificate: 'crt.pem' }] },
    sessions: { secretFile: 'secret' },
    signOn: { users: 'users.yaml' }
  })

function write(name: string, text: string): string {
  const file = join(folder, name)
  mkdirSync(join(folder, 'data'), { recursive: true })
  writeFileSync(file, text)
  return file
}

const tokenFile = write('given.token', `${given}\n`)
const config = write('curfew.yaml', settings({ listen: ['127.0.0.1:9876', '10.1.2.3:9876'], token: own }))
const broken = write('broken.yaml', 'server: { baseUrl: nothing }')

function access(options: Partial<GlobalOptions>, environment: Readonly<Record<string, string>> = {}): ReturnType<typeof adminAccess> {
  return adminAccess({ ...contextOf(options).context, environment })
}

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isCurfewError(error)) return error.code
    throw error
  }
  return 'none'
}

suite('where the command line goes, and with which token', () => {
  test('by itself: the admin address of the configuration, with its token', () =>
    assert.deepEqual(access({ config }), { server: 'http://127.0.0.1:9876', token: own }))

  test('--token-file wins over the token of the configuration, and over the environment', () => {
    assert.equal(access({ config, tokenFile }).token, given)
    assert.equal(access({ config, tokenFile }, { CURFEW_ADMIN_TOKEN: 'from the environment' }).token, given)
    assert.equal(access({ config }, { CURFEW_ADMIN_TOKEN: 'from the environment' }).token, 'from the environment')
  })

  test('the token of a configuration goes to every admin address of its own', () => {
    for (const server of ['http://127.0.0.1:9876', 'http://10.1.2.3:9876/']) assert.equal(access({ config, server }).token, own)
    const everywhere = write('everywhere.yaml', settings({ listen: ['*:9876'], token: own }))
    for (const server of ['http://127.0.0.1:9876', 'http://[::1]:9876']) assert.equal(access({ config: everywhere, server }).token, own)
  })

  test('the token of a configuration is sent to nobody else', () => {
    for (const server of ['http://127.0.0.1:9877', 'http://evil.example:9876', 'https://127.0.0.1:9876', 'http://localhost:9876', 'http://127.0.0.1:9876/x'])
      assert.equal(
        codeOf(() => access({ config, server })),
        'CURFEW_CLI_TOKEN_NEEDED',
        server
      )
    assert.deepEqual(access({ config, server: 'https://other.example/curfew/', tokenFile }), { server: 'https://other.example/curfew', token: given })
  })

  test('a token in a file of the configuration is kept to itself in the same way', () => {
    write('data/admin.token', own)
    const byFile = write('by-file.yaml', settings({ listen: ['127.0.0.1:9876'] }))
    assert.equal(access({ config: byFile }).token, own)
    assert.equal(
      codeOf(() => access({ config: byFile, server: 'http://evil.example' })),
      'CURFEW_CLI_TOKEN_NEEDED'
    )
  })

  test('a configuration with findings, or one that is not there, is not passed over', () => {
    for (const file of [broken, join(folder, 'none.yaml')]) {
      assert.equal(
        codeOf(() => access({ config: file })),
        'CURFEW_CONFIG_INVALID'
      )
      assert.equal(
        codeOf(() => access({ config: file, tokenFile })),
        'CURFEW_CONFIG_INVALID'
      )
      assert.equal(
        codeOf(() => access({ config: file, server: 'http://127.0.0.1:9999' })),
        'CURFEW_CONFIG_INVALID'
      )
    }
    assert.equal(access({ config: broken, server: 'http://127.0.0.1:9999', tokenFile }).token, given)
  })

  test('what is no address of a server is said to be none', () => {
    for (const server of ['localhost:9999', 'ftp://127.0.0.1', 'http://ops:secret@127.0.0.1:9999', 'http://127.0.0.1:9999/?x=1'])
      assert.equal(
        codeOf(() => access({ config, server, tokenFile })),
        'CURFEW_CLI_SERVER_ADDRESS',
        server
      )
  })
})
