import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import type { ConfigChange } from '../../src/config/shown-config.ts'
import { startInstallation } from './running.ts'

const secret = 'a-secret-of-the-test-that-is-long-enough'
const client = (id: string): object => ({ id, protocol: 'oidc', clientSecret: secret, redirectUris: [`https://${id}.example.com/cb`] })

suite('curfew config diff', { timeout: 120_000 }, () => {
  test('says what a new start would change, and nothing while the file is that of the server', async () => {
    await using curfew = await startInstallation({ config: () => ({ connections: [client('wiki'), client('old')] }) })
    const same = await curfew.run(['config', 'diff'])
    assert.equal(same.code, 0, same.out + same.err)
    assert.match(same.out, /^The server works with curfew\.yaml as it is \(started \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\)\.\n$/)
    const file = join(curfew.folder, 'curfew.yaml')
    const now = parse(readFileSync(file, 'utf8')) as { connections: object[] }
    writeFileSync(file, stringify({ ...now, connections: [client('fresh'), client('wiki')], sessions: { secretFile: 'keys/session.secret', idleMinutes: 17 } }))
    const { code, out, err } = await curfew.run(['config', 'diff'])
    assert.equal(code, 2)
    assert.match(out, /^CHANGE +SETTING +SERVER +FILE\n/)
    assert.match(out, /^changed +sessions\.idleMinutes +\d+ +-> 17$/m)
    assert.match(out, /^added +connections\[fresh\]$/m)
    assert.match(out, /^removed +connections\[old\]$/m)
    assert.match(err, /^3 differences since .* They count when the server is started again\.\n$/)
    const asJson = await curfew.run(['config', 'diff', '--json'])
    assert.deepEqual([asJson.code, (JSON.parse(asJson.out) as ConfigChange[]).length], [2, 3])
    for (const text of [out, asJson.out]) assert.ok(!text.includes(secret))
    writeFileSync(file, 'server: { baseUrl: nothing }\n')
    assert.equal((await curfew.run(['config', 'diff'])).code, 78)
  })
})
