import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { importShibbolethFrom } from '../../src/cli/commands/import-shibboleth.ts'
import { makeCertificate } from '../support/certificates.ts'
import { contextOf } from './context.ts'

const samples = new URL('../config/imports/samples/', import.meta.url)

/** An identity provider as it lies on a disk, with the metadata that its files name. */
function installation(): { readonly at: (name: string) => string; [Symbol.dispose](): void } {
  const root = mkdtempSync(join(tmpdir(), 'curfew-shibboleth-'))
  cpSync(new URL('shibboleth', samples), join(root, 'conf'), { recursive: true })
  mkdirSync(join(root, 'metadata'))
  for (const name of ['federation.xml', 'wiki.xml']) cpSync(new URL(name, samples), join(root, 'metadata', name))
  return { at: (name) => join(root, name), [Symbol.dispose]: () => rmSync(root, { recursive: true }) }
}

suite('curfew import shibboleth', () => {
  test('%{idp.home} is the folder above that of the files, and metadata is named from the folder of curfew.yaml', () => {
    using it = installation()
    const { context, lines, notes } = contextOf({ config: it.at('curfew.yaml') })
    const files = ['idp.properties', 'metadata-providers.xml'].map((name) => it.at(`conf/${name}`))
    assert.equal(importShibbolethFrom(context, files, { entity: [] }), 2)
    const { connections, saml } = parse(lines.join('\n')) as { connections: readonly { metadata: object }[]; saml: object }
    assert.deepEqual(connections.at(-1)?.metadata, { file: 'metadata/wiki.xml' })
    assert.deepEqual(saml, { entityId: 'https://idp.example.org/idp/shibboleth', clockSkewSeconds: 180 })
    assert.doesNotMatch([...lines, ...notes].join('\n'), /hunter2/)
  })

  test('metadata that has to be signed by the certificate of its filter, and is not, is refused; nothing is written', async () => {
    using it = installation()
    const { pem } = await makeCertificate({ name: [{ CN: ['federation.example.org'] }] })
    writeFileSync(it.at('signer.pem'), pem)
    const conf = it.at('conf/metadata-providers.xml')
    const filter = '<MetadataFilter xsi:type="SignatureValidation" certificateFile="%{idp.home}/signer.pem"/>'
    writeFileSync(
      conf,
      readFileSync(conf, 'utf8').replace('<MetadataFilter xsi:type="RequiredValidUntil"', `${filter}<MetadataFilter xsi:type="RequiredValidUntil"`)
    )
    const out = it.at('idp.yaml')
    assert.throws(
      () => importShibbolethFrom(contextOf({ config: it.at('curfew.yaml') }).context, [conf], { entity: [], out }),
      (error) => isCurfewError(error) && error.code === 'CURFEW_SAML_SIGNATURE_MISSING'
    )
    assert.equal(existsSync(out), false)
  })

  test('--home says where metadata lies that is somewhere else, and a file that is not there is named', () => {
    using it = installation()
    cpSync(it.at('conf'), it.at('copied/conf'), { recursive: true })
    const files = [it.at('copied/conf/metadata-providers.xml')]
    const run = (home?: string): number =>
      importShibbolethFrom(contextOf({ config: it.at('curfew.yaml') }).context, files, { entity: [], ...(home === undefined ? {} : { home }) })
    assert.equal(run(it.at('.')), 2)
    assert.throws(
      () => run(),
      (error) => isCurfewError(error) && error.code === 'CURFEW_CONFIG_FILE' && /copied\/metadata\/federation\.xml/.test(JSON.stringify(error.context))
    )
  })
})
