import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { withEntry } from '../../../src/config/imports/add-entry.ts'

const entry = {
  settings: { id: 'wiki', protocol: 'saml', metadata: { file: 'peers/wiki.xml' } },
  comments: ['https://wiki.example.com/saml', 'line\nid: evil']
}
const added = `  # https://wiki.example.com/saml
  # line id: evil
  - id: wiki
    protocol: saml
    metadata:
      file: peers/wiki.xml
`

suite('one entry more in curfew.yaml', () => {
  test('what a person wrote stays: comments, blank lines, quotes, order, flow', () => {
    const text = `# yaml-language-server: $schema=./config.schema.json
server: { baseUrl: "https://login.example.com" } # as browsers see it

# The applications.
connections:
  # the first
  - id: payroll # never rename
    protocol: saml
    metadata: { file: peers/payroll.xml }

# below
brand:
  organisation: 'Example'
`
    const next = withEntry(text, 'connections', entry)
    assert.equal(next, text.replace('\n# below', `${added}\n# below`).replace('payroll.xml }\n\n', 'payroll.xml }\n'))
  })

  test('an empty list, one that is not there and one without a value become a list', () => {
    for (const before of ['connections: []\n', 'connections:\n', '']) {
      const next = withEntry(`brand: { organisation: Example }\n${before}`, 'connections', entry)
      assert.equal(next, `brand: { organisation: Example }\nconnections:\n${added}`, before)
    }
  })

  test('a list that is not indented stays so, and so do line ends of Windows', () => {
    const text = 'connections:\r\n- id: payroll\r\n  protocol: saml\r\n'
    const next = withEntry(text, 'connections', entry)
    assert.ok(next.startsWith(`${text}# https://wiki.example.com/saml\r\n`), next)
    assert.equal(next.replaceAll('\r\n', '').includes('\n'), false)
    assert.deepEqual((parse(next) as { connections: unknown[] }).connections[1], entry.settings)
  })

  test('JSON stays JSON', () => {
    const next = withEntry('{ "server": { "baseUrl": "https://login.example.com" }, "connections": [] }\n', 'identityProviders', entry)
    assert.deepEqual(JSON.parse(next), { server: { baseUrl: 'https://login.example.com' }, connections: [], identityProviders: [entry.settings] })
  })
})
