import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { importMetadataFrom } from '../../src/cli/commands/import-metadata.ts'
import { freeRange } from '../support/ports.ts'
import { contextOf } from './context.ts'

const metadata = readFileSync(new URL('../config/imports/samples/wiki.xml', import.meta.url))
const settings = `server: { baseUrl: 'https://login.example.com' }
saml: { keys: [{ key: k.pem, certificate: c.pem }] }
sessions: { secretFile: s }
signOn: { users: users.yaml }
outbound: { allowPrivate: [127.0.0.1/32] }
connections: [{ id: wiki-example-com, protocol: saml, entityId: 'https://other.example.com', acs: [{ url: 'https://other.example.com/acs' }] }]
`

suite('curfew import metadata from an address', () => {
  test('it is read by the rules of the configuration that is there, and its ids are not given again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-metadata-'))
    const port = await freeRange(1)
    const server = createServer((request, response) => void (request.url === '/metadata' ? response.end(metadata) : response.writeHead(404).end()))
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    try {
      const origin = `http://127.0.0.1:${port}`
      const config = join(folder, 'curfew.yaml')
      const run = async (path: string): Promise<readonly string[]> => {
        const { context, lines } = contextOf({ config })
        await importMetadataFrom(context, `${origin}${path}`, { entity: [] })
        return lines
      }
      const refused = (path: string, code: string): Promise<void> =>
        assert.rejects(run(path), (error) => isCurfewError(error) && (assert.equal(error.code, code), true))
      await refused('/metadata', 'CURFEW_OUTBOUND_ADDRESS_FORBIDDEN')
      writeFileSync(config, settings)
      const { connections } = parse((await run('/metadata')).join('\n')) as { connections: readonly { id: string; metadata: object }[] }
      assert.deepEqual(
        connections.map(({ id, metadata: from }) => ({ id, from })),
        [{ id: 'wiki-example-com-2', from: { url: `${origin}/metadata` } }]
      )
      await refused('/nothing', 'CURFEW_OUTBOUND_STATUS')
    } finally {
      server.close()
      rmSync(folder, { recursive: true })
    }
  })
})
