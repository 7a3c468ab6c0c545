import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { readyLines } from '../../src/cli/commands/start.ts'
import { parseConfig } from '../../src/config/load.ts'
import { curfew } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-first-'))
after(() => rmSync(folder, { recursive: true, force: true }))

suite('curfew init', { timeout: 120_000 }, () => {
  test('an address that can not be one makes nothing and says which could', async () => {
    for (const [address, words] of [
      ['login.example.com', /is no address of a web server/],
      ['login.example.com:443', /is no address of a web server/],
      ['ftp://login.example.com', /is no address of a web server/],
      ['http://login.example.com', /write https:\/\/login\.example\.com; http is for this machine only/],
      ['https://login.example.com/path', /Write the origin alone: https:\/\/login\.example\.com/]
    ] as const) {
      const { code, out, err } = await curfew(folder, ['init', '--base-url', address])
      assert.deepEqual([code, out, readdirSync(folder)], [64, '', []], err)
      assert.match(err, words)
    }
  })

  test('a folder that can not be made is said to be so', async () => {
    writeFileSync(join(folder, 'file'), '')
    const { code, err } = await curfew(folder, ['init', '--base-url', 'https://login.example.com', '--directory', 'file/inside'])
    assert.equal(code, 1)
    assert.match(err, /CURFEW_CLI_FILE\n {2}path .*file\/inside\/keys\n {2}why +a part of the path is no folder \(ENOTDIR\)/)
    assert.doesNotMatch(err, /^ {4}at /m)
    rmSync(join(folder, 'file'))
  })

  test('a first user without a password gets one that is good until the first sign-in; an empty one is refused', async () => {
    const empty = await curfew(folder, ['init', '--base-url', 'https://login.example.com', '--user', 'ana', '--user-password', ''])
    assert.deepEqual([empty.code, readdirSync(folder)], [64, []])
    const { code, out } = await curfew(folder, ['init', '--base-url', 'https://login.example.com/', '--user', 'ana'])
    assert.equal(code, 0)
    assert.match(out, /^Password of ana: [\w-]{16} {3}shown this once/m)
    const users = readFileSync(join(folder, 'users.yaml'), 'utf8')
    assert.match(users, /mustChangePassword: true/)
    assert.match(readFileSync(join(folder, 'curfew.yaml'), 'utf8'), /baseUrl: https:\/\/login\.example\.com\n/)
    assert.ok(existsSync(join(folder, 'keys/saml.key.pem')))
  })
})

suite('curfew users', { timeout: 120_000 }, () => {
  test('an empty password changes nothing', async () => {
    const before = readFileSync(join(folder, 'users.yaml'), 'utf8')
    for (const input of ['', '\n']) {
      for (const args of [
        ['users', 'add', 'ben', '--password-stdin'],
        ['users', 'password', 'ana', '--password-stdin']
      ]) {
        const { code, err } = await curfew(folder, args, input)
        assert.equal(code, 4)
        assert.match(err, /Standard input holds no password/)
      }
    }
    assert.equal(readFileSync(join(folder, 'users.yaml'), 'utf8'), before)
  })
})

suite('the lines of a server that is ready', () => {
  const lines = (admin: object): string => {
    const config = {
      server: { baseUrl: 'https://login.example.com' },
      admin,
      saml: { keys: [{ key: 'key.pem', certificate: 'crt.pem' }] },
      sessions: { secretFile: 'secret' },
      signOn: { users: 'users.yaml' }
    }
    const result = parseConfig(JSON.stringify(config), '/etc/curfew/curfew.yaml', { environment: {} })
    return result.ok ? readyLines(result.loaded.config, 'curfew.yaml').join('\n') : assert.fail(JSON.stringify(result.findings))
  }
  test('say where the token of the admin API is', () => {
    assert.match(lines({}), /Admin API {2}http:\/\/127\.0\.0\.1:9999\/v1 +token in \/etc\/curfew\/data\/admin\.token\n/)
    assert.match(lines({ token: 'a token that is long enough' }), /Admin API .*\/v1 +token as in admin\.token\n/)
    assert.doesNotMatch(lines({ token: 'a token that is long enough' }), /long enough/)
  })
})
