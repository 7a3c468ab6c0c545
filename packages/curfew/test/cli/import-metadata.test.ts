import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { importMetadataFrom } from '../../src/cli/commands/import-metadata.ts'
import { contextOf } from './context.ts'
import { makeCertificate } from '../support/certificates.ts'

const samples = new URL('../config/imports/samples/', import.meta.url)

/** A folder with a configuration to be, and the metadata of a partner below it. */
function folder(): { readonly at: (name: string) => string; [Symbol.dispose](): void } {
  const root = mkdtempSync(join(tmpdir(), 'curfew-metadata-'))
  mkdirSync(join(root, 'peers'))
  copyFileSync(new URL('wiki.xml', samples), join(root, 'peers/wiki.xml'))
  return { at: (name) => join(root, name), [Symbol.dispose]: () => rmSync(root, { recursive: true }) }
}

suite('curfew import metadata', () => {
  test('settings go to standard output, the table beside them; both name the metadata as curfew.yaml will', async () => {
    using it = folder()
    const { context, lines, notes } = contextOf({ config: it.at('curfew.yaml') })
    assert.equal(await importMetadataFrom(context, it.at('peers/wiki.xml'), { entity: [] }), 0)
    const { connections } = parse(lines.join('\n')) as { connections: readonly { id: string; metadata: object }[] }
    assert.deepEqual(connections[0]?.metadata, { file: 'peers/wiki.xml' })
    assert.match(notes.join('\n'), /ABOUT +WHAT +RESULT +SETTING +NOTE\nhttps:\/\/wiki\.example\.com\/saml +service provider +imported/)
    assert.match(notes.at(-1) ?? '', /5 imported, 0 approximated, 0 unsupported, 1 not needed/)
  })

  test('what needs a person is said by the exit code', async () => {
    using it = folder()
    copyFileSync(new URL('federation.xml', samples), it.at('peers/federation.xml'))
    const { context, notes } = contextOf({ config: it.at('curfew.yaml') })
    assert.equal(await importMetadataFrom(context, it.at('peers/federation.xml'), { entity: [] }), 2)
    assert.match(notes.at(-1) ?? '', /[1-9]\d* approximated, [1-9]\d* unsupported/)
  })

  test('--plan says it and writes nothing; --out and --report write new files only', async () => {
    using it = folder()
    const [out, report] = [it.at('wiki.yaml'), it.at('wiki.md')]
    const planned = contextOf({ config: it.at('curfew.yaml') })
    await importMetadataFrom(planned.context, it.at('peers/wiki.xml'), { entity: [], plan: true, out, report })
    assert.equal(existsSync(out) || existsSync(report), false)
    assert.match(planned.lines.join('\n'), /^ABOUT/)
    const run = (): Promise<number> =>
      importMetadataFrom(contextOf({ config: it.at('curfew.yaml') }).context, it.at('peers/wiki.xml'), { entity: [], out, report })
    assert.equal(await run(), 0)
    assert.match(readFileSync(out, 'utf8'), /# https:\/\/wiki\.example\.com\/saml\n/)
    assert.match(readFileSync(report, 'utf8'), /^# Import from metadata\n\n## Imported\n/)
    await assert.rejects(run(), (error) => isCurfewError(error) && error.code === 'CURFEW_CONFIG_FILE')
  })

  test('a file that is not there, too large or signed by somebody else is refused by name, and nothing is written', async () => {
    using it = folder()
    const out = it.at('wiki.yaml')
    const refused = (code: string, more: { readonly certificate?: string } = {}): Promise<void> =>
      assert.rejects(
        importMetadataFrom(contextOf({ config: it.at('curfew.yaml') }).context, it.at('peers/wiki.xml'), { entity: [], out, ...more }),
        (error) => isCurfewError(error) && (assert.equal(error.code, code), true)
      )
    const signer = await makeCertificate({ name: [{ CN: ['federation.example.org'] }] })
    writeFileSync(it.at('federation.pem'), signer.pem)
    await refused('CURFEW_SAML_SIGNATURE_MISSING', { certificate: it.at('federation.pem') })
    truncateSync(it.at('peers/wiki.xml'), 5 * 1024 * 1024)
    await refused('CURFEW_CONFIG_FILE')
    rmSync(it.at('peers/wiki.xml'))
    await refused('CURFEW_CONFIG_FILE')
    assert.equal(existsSync(out), false)
  })
})
