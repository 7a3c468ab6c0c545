import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { canonicalise, encodeSoap, parseXml } from '../../src/index.ts'
import { responseXml, signedAssertion, signedRequest, signedResponse } from '../support/messages.ts'
import { noXmllint } from '../support/programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-xmllint-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function byXmllint(xml: string): string {
  const file = join(folder, 'document.xml')
  writeFileSync(file, xml)
  const { status, stdout, stderr, error } = spawnSync('xmllint', ['--nonet', '--exc-c14n', file], { encoding: 'utf8' })
  assert.equal(error, undefined, 'xmllint (Debian: libxml2-utils) must be on the path')
  assert.equal(status, 0, stderr)
  return stdout
}

suite('Exclusive canonical form by xmllint', { skip: noXmllint }, () => {
  const written: Readonly<Record<string, string>> = {
    LogoutRequest: signedRequest,
    LogoutResponse: signedResponse,
    Assertion: signedAssertion,
    'Response around a signed assertion': responseXml(),
    'signed Response around a signed assertion': responseXml(undefined, true),
    'SOAP envelope': encodeSoap(signedRequest)
  }
  for (const [name, xml] of Object.entries(written)) test(`what is sent as ${name} is its own canonical form`, () => assert.equal(byXmllint(xml), xml))

  const foreign: Readonly<Record<string, string>> = {
    'namespaces declared at the root': signedRequest
      .replace('<samlp:LogoutRequest ', '<samlp:LogoutRequest xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:unused="urn:x" ')
      .replace('<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">', '<saml:Issuer>'),
    'a default namespace': '<Response xmlns="urn:r" ID="_1"><Issuer xmlns="urn:i">x</Issuer><Status xmlns=""/><p:a xmlns:p="urn:r" p:b="1"/></Response>',
    'quotes, references and line ends': `<?xml version="1.0"?>\r\n<r b='"' a="&#9;&lt;&#x1F600;\ty">&quot;&#13;\r\n&gt;é</r>\n`,
    'attributes in any order': '<r xmlns:z="urn:a" xmlns:a="urn:z" z:b="1" a:a="2" c="3" b="4" xml:lang="de"/>'
  }
  for (const [name, xml] of Object.entries(foreign))
    test(`agrees about ${name}`, () => assert.equal(canonicalise(parseXml(Buffer.from(xml), 'message').root), byXmllint(xml).trimEnd()))
})
