import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { type JudgedCertificate, listCertificates } from '../../src/cli/commands/certs.ts'
import { renewKey, type RenewOptions } from '../../src/cli/commands/renew-key.ts'
import { withKey } from '../../src/config/imports/add-key.ts'
import { dayMs } from '../../src/cli/doctor-check.ts'
import type { GlobalOptions } from '../../src/cli/context.ts'
import { createSelfSigned } from '../../src/platform/certificate.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { makeCertificate } from '../support/certificates.ts'
import { contextOf } from './context.ts'

const head = `# ours
server: { baseUrl: 'https://login.example.com' } # as browsers see it
saml:
  keys: # the first signs
    - { key: keys/saml.key.pem, certificate: keys/saml.crt.pem, algorithm: ecdsa-sha256 }
sessions: { secretFile: keys/session.secret }
signOn: { users: users.yaml }
`

interface Printed {
  readonly code: number
  readonly lines: readonly string[]
  readonly notes: readonly string[]
}

interface Installation {
  at(name: string): string
  text(): string
  /** Writes a key with a certificate that ends in so many days. */
  certificate(name: string, days: number): Promise<void>
  list(options?: Partial<GlobalOptions>): Promise<Printed>
  renew(options?: Partial<RenewOptions>): Promise<Printed>
  [Symbol.dispose](): void
}

async function installation(text = head, days = 400): Promise<Installation> {
  const root = mkdtempSync(join(tmpdir(), 'curfew-certs-'))
  const at = (name: string): string => join(root, name)
  mkdirSync(at('keys'), { mode: 0o700 })
  writeFileSync(at('keys/session.secret'), Buffer.alloc(48, 7).toString('base64'))
  writeFileSync(at('curfew.yaml'), text, { mode: 0o640 })
  const it: Installation = {
    at,
    text: () => readFileSync(at('curfew.yaml'), 'utf8'),
    async certificate(name, left) {
      const made = await makeCertificate({
        name: [{ CN: [name] }],
        isAuthority: true,
        from: new Date(systemClock.nowMs() - 900 * dayMs),
        to: new Date(systemClock.nowMs() + left * dayMs + 3_600_000)
      })
      writeFileSync(at(`keys/${name}.crt.pem`), made.pem, { flag: 'a' })
      writeFileSync(at(`keys/${name}.key.pem`), made.keyPem, { mode: 0o600 })
    },
    async list(options) {
      const { context, lines, notes } = contextOf({ config: at('curfew.yaml'), ...options })
      return { code: await listCertificates(context), lines, notes }
    },
    async renew(options) {
      const { context, lines, notes } = contextOf({ config: at('curfew.yaml') })
      return { code: await renewKey(context, { for: 'signing', days: 365, ...options }), lines, notes }
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true })
  }
  await it.certificate('saml', days)
  return it
}

suite('curfew certs list', () => {
  test('the one that ends first stands at the top; one that ends within 30 days has a remedy and makes the code 2', async () => {
    using it = await installation(`${head}cluster: { ca: keys/groups.crt.pem }\n`)
    assert.equal((await it.list()).code, 1, 'a file that is not there')
    await it.certificate('groups', 40)
    assert.equal((await it.list()).code, 0)
    await it.certificate('groups', 29)
    const { code, lines } = await it.list()
    assert.equal(code, 2)
    assert.match(lines[0] ?? '', /^ +ENDS +DAYS +WHOSE +USE +WHERE$/)
    assert.deepEqual(
      lines.slice(1, 4).map((line) => line.split(/ {2,}/).filter((_, i) => i !== 1 && i < 5)),
      [
        ['warn', '29', 'groups', 'vouches for groups'],
        ['ok', '40', 'groups', 'vouches for groups'],
        ['ok', '400', 'here', 'signs SAML']
      ]
    )
    assert.match(lines[4] ?? '', /^\ngroups, vouches for groups: its certificate ends \d{4}-\d\d-\d\d, in 29 days$/)
    for (const line of lines.slice(0, 4)) assert.ok(line.replace(it.at(''), '').length <= 80, line)
  })

  test('a published key may end while another one goes on; one that has ended is said', async () => {
    using it = await installation(
      `${head.replace('ecdsa-sha256 }', 'ecdsa-sha256 }\n    - { key: keys/old.key.pem, certificate: keys/old.crt.pem, algorithm: ecdsa-sha256 }')}`
    )
    await it.certificate('old', 5)
    assert.equal((await it.list()).code, 0)
    rmSync(it.at('keys/old.crt.pem'))
    await it.certificate('old', -3)
    const { code, lines } = await it.list()
    assert.equal(code, 2)
    assert.match(lines[1] ?? '', /^warn {2}\S+ {2}ended {2}here {3}published \(SAML\)/)
  })

  test('as JSON with fingerprints, and with no key in it', async () => {
    using it = await installation()
    const { lines } = await it.list({ json: true })
    const [one, ...others] = JSON.parse(lines.join('\n')) as JudgedCertificate[]
    assert.deepEqual([one?.whose, one?.verdict, one?.days, others.length], ['here', 'ok', 400, 0])
    assert.equal(one?.fingerprint, new X509Certificate(readFileSync(it.at('keys/saml.crt.pem'))).fingerprint256)
    assert.ok(!lines.join('').includes('PRIVATE'))
  })

  test('a bundle of a whole system is one line: the first that ends', async () => {
    using it = await installation(`${head}cluster: { ca: keys/all.crt.pem }\n`)
    for (let n = 0; n < 9; n++) await it.certificate('all', 100 + n)
    const { lines } = await it.list()
    assert.equal(lines.length, 3)
    assert.match(lines[1] ?? '', /^ok {2}\S+ {2}100 +groups .*all\.crt\.pem \(first of 9\)$/)
  })
})

suite('a key that signs for partners with another algorithm', () => {
  const keys = (more = ''): string =>
    head.replace(/ {4}- .*\n/, (line) => `${line.replace('saml.', 'rsa.').replace('saml.', 'rsa.').replace(', algorithm: ecdsa-sha256', '')}${line}${more}`)
  const payroll =
    'connections: [{ id: payroll, protocol: saml, entityId: payroll, acs: [{ url: https://payroll.example.com/acs }], algorithm: ecdsa-sha256 }]\n'

  async function twoTypes(text: string, ecDays: number): Promise<Installation> {
    const it = await installation(text, ecDays)
    const rsa = await createSelfSigned('rsa', { fromMs: systemClock.nowMs(), days: 40 }, systemRandom, 2_048)
    writeFileSync(it.at('keys/rsa.crt.pem'), rsa.certificatePem)
    writeFileSync(it.at('keys/rsa.key.pem'), rsa.keyPem, { mode: 0o600 })
    return it
  }

  test('is listed as one that signs, with nothing that goes on; without such a partner it is published only', async () => {
    using it = await twoTypes(keys() + payroll, 5)
    const { code, lines } = await it.list({ json: true })
    const [one] = JSON.parse(lines.join('\n')) as JudgedCertificate[]
    assert.deepEqual([code, one?.where, one?.use, one?.verdict], [2, it.at('keys/saml.crt.pem'), 'signs SAML', 'warn'])
    assert.match(one?.fix ?? '', /add a key of its type at the end/)
    using alone = await twoTypes(keys(), 5)
    assert.deepEqual([(await alone.list()).code, /published \(SAML\)/.test((await alone.list()).lines.join('\n'))], [0, true])
  })

  test('is not taken for the next one of the first key, however long it is good', async () => {
    using it = await twoTypes(keys() + payroll, 400)
    const first = await it.renew()
    assert.equal(first.code, 0, first.notes.join('\n'))
    const again = await it.renew()
    assert.equal(again.code, 1)
    assert.match(again.notes.join(), /has a key that ends later, .*saml-\d/)
  })
})

suite('curfew certs renew', () => {
  test('the next signing key is the last one; the former still signs, and comments and the mode of the file stay', async () => {
    using it = await installation()
    const { code, lines, notes } = await it.renew()
    assert.equal(code, 0, notes.join('\n'))
    const day = new Date(systemClock.nowMs()).toISOString().slice(0, 10)
    assert.match(lines[0] ?? '', new RegExp(`^Made keys/saml-${day}\\.key\\.pem$`))
    const { keys } = (parse(it.text()) as { saml: { keys: object[] } }).saml
    assert.deepEqual(keys, [
      { key: 'keys/saml.key.pem', certificate: 'keys/saml.crt.pem', algorithm: 'ecdsa-sha256' },
      { key: `keys/saml-${day}.key.pem`, certificate: `keys/saml-${day}.crt.pem` }
    ])
    for (const comment of ['# ours\n', ' # as browsers see it\n', '# the first signs\n']) assert.ok(it.text().includes(comment), it.text())
    assert.equal(statSync(it.at('curfew.yaml')).mode & 0o777, 0o640)
    for (const file of [`saml-${day}.key.pem`, `saml-${day}.crt.pem`]) assert.equal(statSync(it.at(`keys/${file}`)).mode & 0o777, 0o600)
    const made = new X509Certificate(readFileSync(it.at(`keys/saml-${day}.crt.pem`)))
    assert.ok(Math.abs(made.validToDate.getTime() - systemClock.nowMs() - 365 * dayMs) < 120_000)
    assert.ok(!lines.concat(notes).join('').includes('PRIVATE'))
  })

  test('where a key that ends later is there already, none is made', async () => {
    using it = await installation(head, 10)
    assert.equal((await it.renew()).code, 0)
    const before = it.text()
    const again = await it.renew()
    assert.equal(again.code, 1)
    assert.match(again.notes.join(), /has a key that ends later, .*saml-.*: put it first when every partner knows it, or take it out\. Nothing was changed\./)
    assert.equal(it.text(), before)
  })

  test('a decryption key is the first one, in a list that may be new; two are the most', async () => {
    using it = await installation()
    for (const count of [1, 2]) {
      assert.equal((await it.renew({ for: 'decryption' })).code, 0)
      const { decryptionKeys } = (parse(it.text()) as { saml: { decryptionKeys: { key: string }[] } }).saml
      assert.equal(decryptionKeys.length, count)
      assert.match(decryptionKeys[0]?.key ?? '', count === 1 ? /decrypt-[\d-]{10}\.key/ : /decrypt-[\d-]{10}-2\.key/)
    }
    const third = await it.renew({ for: 'decryption' })
    assert.deepEqual([third.code, /has two already/.test(third.notes.join())], [1, true])
  })

  test('--plan prints the lines and writes nothing; files that are there are never written over', async () => {
    using it = await installation()
    const files = readdirSync(it.at('keys'))
    const { code, lines } = await it.renew({ plan: true })
    assert.equal(code, 0)
    assert.match(lines.join('\n'), /^saml:\n {2}keys:\n {4}- key: keys\/saml-.*\.key\.pem\n/)
    assert.deepEqual([it.text(), readdirSync(it.at('keys'))], [head, files])
    const day = new Date(systemClock.nowMs()).toISOString().slice(0, 10)
    writeFileSync(it.at(`keys/saml-${day}.crt.pem`), 'mine')
    assert.match((await it.renew()).lines.join(), new RegExp(`saml-${day}-2\\.key\\.pem`))
    assert.equal(readFileSync(it.at(`keys/saml-${day}.crt.pem`), 'utf8'), 'mine')
  })

  test('a file that can not be changed leaves no key behind', async () => {
    using it = await installation()
    const files = readdirSync(it.at('keys'))
    writeFileSync(it.at('curfew.yaml.new'), 'somebody writes')
    await assert.rejects(it.renew(), {
      code: 'CURFEW_CLI_FILE',
      context: { path: it.at('curfew.yaml.new'), why: 'it is there: remove it if nobody is writing it' }
    })
    assert.deepEqual([it.text(), readdirSync(it.at('keys'))], [head, files])
    assert.equal(readFileSync(it.at('curfew.yaml.new'), 'utf8'), 'somebody writes')
  })
})

suite('a key more in curfew.yaml', () => {
  const entry = { key: 'k', certificate: 'c' }
  test('in the way that the file is written', () => {
    const wide = 'saml:\n  keys:\n    - key: a # ours\n      certificate: b\n'
    assert.equal(withKey(wide, 'keys', entry, 'last'), `${wide}    - key: k\n      certificate: c\n`)
    const flat = 'saml:\n  keys:\n  - key: a\n    certificate: b\n'
    assert.equal(withKey(flat, 'keys', entry, 'last'), `${flat}  - key: k\n    certificate: c\n`)
    assert.equal(
      withKey('{"saml":{"keys":[{"key":"a"}]}}', 'keys', entry, 'first')?.replaceAll(/\s/g, ''),
      '{"saml":{"keys":[{"key":"k","certificate":"c"},{"key":"a"}]}}'
    )
    assert.equal(withKey(wide.replaceAll('\n', '\r\n'), 'keys', entry, 'last')?.match(/(?<!\r)\n/), null)
  })

  test('and in none that is not a list there', () => {
    assert.equal(withKey('server: {}\n', 'keys', entry, 'last'), undefined)
    assert.equal(withKey('saml: { keys: nothing }\n', 'keys', entry, 'last'), undefined)
    assert.equal(withKey('saml: {}\n', 'keys', entry, 'last'), undefined)
  })
})
