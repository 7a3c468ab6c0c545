import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { authoritySettings } from '../../src/cli/authority-settings.ts'
import { configSchema } from '../../src/config/schema.ts'

async function artifactsOf(change: object): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-artifacts-'))
  try {
    const secretFile = join(folder, 'session.secret')
    writeFileSync(secretFile, Buffer.alloc(32, 1).toString('base64'))
    const saml = { keys: [{ key: 'own.key.pem', certificate: 'own.crt.pem' }] }
    const config = configSchema.parse({ server: { baseUrl: 'https://login.example.com' }, saml, sessions: { secretFile }, ...change })
    return (await authoritySettings(config, [])).saml.artifacts
  } finally {
    rmSync(folder, { recursive: true })
  }
}

suite('Artifacts of a node', () => {
  test('AC-194 carry the index of the node, and the metadata lists those of all nodes', async () => {
    assert.deepEqual(await artifactsOf({}), { index: 0, indexes: [0], lifetimeMs: 60_000 })
    assert.deepEqual(await artifactsOf({ cluster: { index: 3 } }), { index: 3, indexes: [3], lifetimeMs: 60_000 })
    assert.deepEqual(await artifactsOf({ cluster: { index: 3, indexes: [1, 3] } }), { index: 3, indexes: [1, 3], lifetimeMs: 60_000 })
  })
})
