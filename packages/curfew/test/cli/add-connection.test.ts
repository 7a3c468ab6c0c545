import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { type AddConnectionOptions, addConnection } from '../../src/cli/commands/add-connection.ts'
import { makeCertificate } from '../support/certificates.ts'
import { contextOf } from './context.ts'

const samples = new URL('../config/imports/samples/', import.meta.url)
const head = `# ours
server: { baseUrl: 'https://login.example.com' } # as browsers see it
saml: { keys: [{ key: saml.key.pem, certificate: saml.crt.pem, algorithm: ecdsa-sha256 }] }
sessions: { secretFile: session.secret }
signOn: { users: users.yaml }
`

/** An installation with a comment in its configuration, and metadata of partners below it. */
async function installation(text = `${head}connections: []\n`): Promise<{
  readonly at: (name: string) => string
  readonly text: () => string
  readonly add: (
    options: Partial<AddConnectionOptions>
  ) => Promise<{ readonly code: number; readonly lines: readonly string[]; readonly notes: readonly string[] }>
  [Symbol.dispose](): void
}> {
  const root = mkdtempSync(join(tmpdir(), 'curfew-add-'))
  const at = (name: string): string => join(root, name)
  mkdirSync(at('peers'))
  for (const name of ['wiki.xml', 'federation.xml']) copyFileSync(new URL(name, samples), at(`peers/${name}`))
  const { pem, keyPem } = await makeCertificate({ name: [{ CN: ['login.example.com'] }] })
  writeFileSync(at('saml.crt.pem'), pem)
  writeFileSync(at('saml.key.pem'), keyPem)
  writeFileSync(at('session.secret'), Buffer.alloc(48, 7).toString('base64'))
  writeFileSync(at('curfew.yaml'), text, { mode: 0o640 })
  return {
    at,
    text: () => readFileSync(at('curfew.yaml'), 'utf8'),
    async add(options) {
      const { context, lines, notes } = contextOf({ config: at('curfew.yaml') })
      const code = await addConnection(context, { metadata: at('peers/wiki.xml'), ...options })
      return { code, lines, notes }
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true })
  }
}

suite('curfew connections add', () => {
  test('the connection stands at the end, named and with its file; comments and the mode of the file stay', async () => {
    using it = await installation()
    const { code, lines, notes } = await it.add({ name: 'Wiki of all' })
    assert.equal(code, 0, notes.join('\n'))
    assert.ok(it.text().startsWith("# ours\nserver: { baseUrl: 'https://login.example.com' } # as browsers see it\n"), it.text())
    assert.match(it.text(), /# https:\/\/wiki\.example\.com\/saml\n/)
    assert.deepEqual((parse(it.text()) as { connections: unknown }).connections, [
      { id: 'wiki-of-all', name: 'Wiki of all', protocol: 'saml', metadata: { file: 'peers/wiki.xml' }, nameId: { format: 'emailAddress' } }
    ])
    assert.equal(statSync(it.at('curfew.yaml')).mode & 0o777, 0o640)
    assert.match(lines.join('\n'), /wiki-of-all is in .*curfew\.yaml now, under connections\./)
    assert.match(notes.at(-1) ?? '', /curfew doctor --connection wiki-of-all/)
    assert.deepEqual(
      readdirSync(it.at('.')).filter((name) => name.endsWith('.new')),
      []
    )
  })

  test('a partner that is there already, whatever it is called, is not added twice', async () => {
    using it = await installation()
    await it.add({ id: 'wiki' })
    const before = it.text()
    const again = await it.add({ id: 'other' })
    assert.equal(again.code, 4)
    assert.match(again.notes.join('\n'), /it is there already: the connection wiki/)
    assert.equal((await it.add({ id: 'wiki' })).code, 64)
    assert.equal((await it.add({ id: 'Wiki' })).code, 64)
    assert.equal(it.text(), before)
  })

  test('of several partners one has to be chosen', async () => {
    using it = await installation()
    const before = it.text()
    const metadata = it.at('peers/federation.xml')
    const several = await it.add({ metadata })
    assert.equal(several.code, 4)
    assert.match(several.notes.join('\n'), /--entity https:\/\/idp\.campus\.example\/idp\/shibboleth --as identity-provider/)
    assert.equal(it.text(), before)
    assert.equal((await it.add({ metadata, entity: 'https://phone.example.com/sp' })).code, 4)
    assert.equal((await it.add({ metadata, as: 'identity-provider', id: 'campus' })).code, 0)
    assert.deepEqual((parse(it.text()) as { identityProviders: unknown }).identityProviders, [
      { id: 'campus', protocol: 'saml', metadata: { file: 'peers/federation.xml' }, entityId: 'https://idp.campus.example/idp/shibboleth' }
    ])
  })

  test('--plan shows what would be added and changes nothing', async () => {
    using it = await installation()
    const before = it.text()
    const { code, lines } = await it.add({ plan: true })
    assert.equal(code, 0)
    assert.match(lines.join('\n'), /^connections:\n {2}# https:\/\/wiki/)
    assert.equal(it.text(), before)
  })

  test('nothing is lost on bad input: no metadata, a file that is not there, a signature of nobody, a configuration with findings', async () => {
    using it = await installation()
    const before = it.text()
    writeFileSync(it.at('peers/broken.xml'), '<EntityDescriptor')
    const refused = (options: Partial<AddConnectionOptions>, code: string): Promise<void> =>
      assert.rejects(it.add(options), (error) => isCurfewError(error) && (assert.equal(error.code, code), true))
    await refused({ metadata: it.at('peers/broken.xml') }, 'CURFEW_XML_SYNTAX')
    await refused({ metadata: it.at('peers/nowhere.xml') }, 'CURFEW_CONFIG_FILE')
    await refused({ certificate: it.at('saml.crt.pem') }, 'CURFEW_SAML_SIGNATURE_MISSING')
    const long = await it.add({ name: 'x'.repeat(200) })
    assert.equal(long.code, 78)
    assert.match(long.notes.join('\n'), /CURFEW_CONFIG_VALUE {2}connections\[x+\]\.name/)
    assert.equal(it.text(), before)
    writeFileSync(it.at('curfew.yaml'), `${before}nonsense: 1\n`)
    assert.equal((await it.add({})).code, 78)
    assert.equal(it.text(), `${before}nonsense: 1\n`)
  })

  test('a link to the configuration stays a link, and what somebody else is writing is left alone', async () => {
    using it = await installation()
    const { context } = contextOf({ config: it.at('link.yaml') })
    symlinkSync(it.at('curfew.yaml'), it.at('link.yaml'))
    assert.equal(await addConnection(context, { metadata: it.at('peers/wiki.xml') }), 0)
    assert.equal(readFileSync(it.at('link.yaml'), 'utf8'), it.text())
    const before = it.text()
    writeFileSync(it.at('curfew.yaml.new'), 'of somebody else')
    await assert.rejects(it.add({ metadata: it.at('peers/federation.xml'), entity: 'urn:example:old-portal' }), /CURFEW_CLI_FILE .*it is there/)
    assert.equal(it.text(), before)
    assert.equal(readFileSync(it.at('curfew.yaml.new'), 'utf8'), 'of somebody else')
  })
})
