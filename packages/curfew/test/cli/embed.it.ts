import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError, parseMetadata } from '@curfew/codecs'
import { createServer } from '../../src/cli/embed.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'

/** A configuration with an identity provider upstream, and neither users nor applications. */
async function providerOnly(folder: string): Promise<ConfigInput> {
  const own = makeKeyPair('curfew')
  await writeFile(join(folder, 'key.pem'), own.key.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(folder, 'cert.pem'), own.certificatePem)
  await writeFile(join(folder, 'campus.pem'), makeKeyPair('campus').certificatePem)
  await writeFile(join(folder, 'secret'), Buffer.alloc(32, 7).toString('base64'))
  return {
    server: { baseUrl: 'http://127.0.0.1', listen: ['127.0.0.1:0'] },
    admin: { listen: ['127.0.0.1:0'], token: '0123456789abcdef' },
    store: { kind: 'memory' },
    saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem', algorithm: 'ecdsa-sha256' }] },
    sessions: { secretFile: 'secret' },
    identityProviders: [
      { id: 'campus', protocol: 'saml', entityId: 'urn:campus', certificates: ['campus.pem'], sso: [{ binding: 'redirect', url: 'http://campus.test/sso' }] }
    ]
  }
}

suite('A server inside another program', () => {
  test('AC-002 starts with the service provider role alone, is healthy, sends people to the identity provider, and stops', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'curfew-embed-'))
    t.after(() => rm(folder, { recursive: true }))
    const server = await createServer(await providerOnly(folder), { folder, logger: silentLogger })
    await server.start()
    t.after(() => server.stop())
    assert.equal((await server.authority.inject('/pf/heartbeat.ping')).body, 'OK')
    const [entity] = parseMetadata((await server.authority.inject('/pf/federation_metadata.ping?PartnerIdpId=urn%3Acampus')).rawPayload)
    assert.equal(entity?.sp?.assertionConsumerServices[0]?.location, 'http://127.0.0.1/sp/ACS.saml2')
    const home = await server.authority.inject({ url: '/', headers: { accept: 'text/html' } })
    const away = await server.authority.inject({ url: String(home.headers.location), headers: { accept: 'text/html' } })
    assert.match(String(away.headers.location), /^http:\/\/campus\.test\/sso\?SAMLRequest=/)
  })

  test('says everything that is wrong with a configuration', async () => {
    const wrong: Promise<unknown> = createServer({ server: { baseUrl: 'nowhere' } } as unknown as ConfigInput, { folder: '/', logger: silentLogger })
    await assert.rejects(
      wrong,
      (error) => isCurfewError(error) && error.code === 'CURFEW_CONFIG_INVALID' && /server\.baseUrl/.test(error.message) && /saml/.test(error.message)
    )
  })
})
