import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { curfew } from './bin.ts'
import { token } from './inspect-samples.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-reveal-'))
after(() => rmSync(folder, { recursive: true }))

suite('curfew inspect as a command', { timeout: 60_000 }, () => {
  test('shows names in full with --reveal only', async () => {
    const jwt = token({ iss: 'https://op.example', sub: 'ana.maria.example' })
    const plain = await curfew(folder, ['inspect', jwt])
    assert.equal(plain.code, 0, plain.err)
    assert.doesNotMatch(plain.out, /ana\.maria/)
    assert.match((await curfew(folder, ['inspect', '--reveal', jwt])).out, /sub +ana\.maria\.example/)
  })

  test('says that a configuration with findings is not used', async () => {
    writeFileSync(join(folder, 'curfew.yaml'), 'server: { baseUrl: nothing }\n')
    const { code, err } = await curfew(folder, ['inspect', token({ iss: 'https://op.example' })])
    assert.equal(code, 0)
    assert.match(err, /^curfew\.yaml is not used here: \d findings\. See: curfew validate\n/)
  })
})
