import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isSubject } from '../../../src/authority/oidc/mutual-tls/distinguished-name.ts'

suite('RFC 4514: names of subjects', () => {
  const same: readonly (readonly [string, string])[] = [
    ['CN=wiki,O=Example,C=DE', 'C=DE\nO=Example\nCN=wiki'],
    ['cn=wiki, o=Example', 'O=Example\nCN=wiki'],
    ['CN=wiki,O=Example\\, Inc', 'O=Example\\, Inc\nCN=wiki'],
    ['CN="wiki, internal",O=Example', 'O=Example\nCN=wiki\\, internal'],
    ['CN=wiki\\2C internal', 'CN=wiki\\, internal'],
    ['CN=w\\C3\\A4chter', 'CN=wächter'],
    ['UID=7+CN=wiki,DC=example,DC=org', 'DC=org\nDC=example\nCN=wiki + UID=7'],
    ['0.9.2342.19200300.100.1.1=7', 'UID=7'],
    ['E=a@example.org', 'emailAddress=a@example.org'],
    ['CN=\\ wiki\\ ', 'CN=\\ wiki\\ '],
    ['CN=wiki\\0Aother', 'CN=wiki\\0Aother']
  ]
  for (const [wanted, subject] of same) test(`${wanted} is ${JSON.stringify(subject)}`, () => assert.ok(isSubject(wanted, subject)))

  const other: readonly (readonly [string, string])[] = [
    ['CN=wiki', 'C=DE\nCN=wiki'],
    ['C=DE,CN=wiki', 'C=DE\nCN=wiki'],
    ['CN=wiki', 'CN=Wiki'],
    ['CN=wiki', 'OU=wiki'],
    ['CN=wiki,O=Example', 'CN=wiki + O=Example'],
    ['CN=wiki,O=Example', 'O=Example\\,CN\\=wiki'],
    ['CN=wiki,O=Example', 'CN=wiki\\,O=Example'],
    ['CN=wiki+UID=7', 'CN=wiki\\+UID=7'],
    ['CN=*', 'CN=wiki'],
    ['', ''],
    ['wiki', 'wiki'],
    ['CN=', 'CN='],
    ['CN=wiki\\', 'CN=wiki']
  ]
  for (const [wanted, subject] of other) test(`${wanted} is not ${JSON.stringify(subject)}`, () => assert.ok(!isSubject(wanted, subject)))
})
