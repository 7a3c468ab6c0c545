import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import {
  CurfewError,
  decodeRedirect,
  parseMetadata,
  signatureUri,
  signBytesSync,
  validateLogoutRequest,
  validateLogoutResponse,
  verifyLogoutRequest,
  verifyLogoutResponse
} from '@curfew/codecs'
import { makeConnection, makeIdpConnection, type SamlPartner } from '../../src/authority/saml/connection.ts'
import { explainConfig } from '../../src/config/explain.ts'
import { type LoadedConfig, parseConfig } from '../../src/config/load.ts'
import { type PresetName, presetNames, presets, presetSettings } from '../../src/config/presets.ts'
import { makeKeyPair, makeRsaKeyPair } from '../authority/key-pairs.ts'

interface Vector {
  readonly provenance: string
  readonly role: 'application' | 'identityProvider'
  readonly metadata: string
  readonly channels: readonly string[]
  readonly messages: readonly {
    readonly kind: 'LogoutRequest' | 'LogoutResponse'
    readonly xml: string
    readonly escapes?: 'lower'
    readonly signed?: boolean
    readonly expect: {
      readonly nameId?: string
      readonly sessionIndexes?: readonly string[]
      readonly status?: string
      readonly subcodes?: readonly string[]
      readonly refused?: string
    }
  }[]
}

const vectorOf = (name: PresetName): Vector => JSON.parse(readFileSync(new URL(`../../../../vectors/saml/${name}.json`, import.meta.url), 'utf8')) as Vector
const vendor = makeRsaKeyPair('vendor')
const own = makeKeyPair('curfew')
const ownRsa = makeRsaKeyPair('curfew rsa')
const ownKeys = [
  { key: own.key, algorithm: 'ecdsa-sha256' as const, certificate: own.certificate },
  { key: ownRsa.key, algorithm: 'rsa-sha512' as const, certificate: ownRsa.certificate }
]

function load(list: string): LoadedConfig {
  const text = `server: { baseUrl: https://login.example.com }
saml: { keys: [{ key: k.pem, certificate: c.pem }] }
sessions: { secretFile: s }
signOn: { users: u }
${list}`
  const result = parseConfig(text, '/etc/curfew/curfew.yaml', { environment: {} })
  assert.ok(result.ok, JSON.stringify(result))
  return result.loaded
}

/** The partner as the server works with it. */
function partnerOf(name: PresetName, more = ''): SamlPartner {
  const { role, metadata } = vectorOf(name)
  const entry = `[{ id: partner, protocol: saml, preset: ${name}, metadata: { file: m.xml }${more} }]`
  const { config } = load(role === 'application' ? `connections: ${entry}` : `identityProviders: ${entry}`)
  const [descriptor] = parseMetadata(Buffer.from(metadata.replace('{CERTIFICATE}', vendor.certificate)))
  const parts = { descriptor, certificates: [], ownKeys, nowMs: 0 }
  const [application] = config.connections
  const [provider] = config.identityProviders
  if (application?.protocol === 'saml') return makeConnection({ ...parts, settings: application })
  assert.ok(provider?.protocol === 'saml')
  return makeIdpConnection({ ...parts, settings: provider })
}

/** The query as the product writes it. */
function queryOf({ kind, xml, escapes, signed }: Vector['messages'][number]): string {
  const escape = (value: string): string => {
    const text = encodeURIComponent(value)
    return escapes === 'lower' ? text.replace(/%[0-9A-F]{2}/g, (one) => one.toLowerCase()) : text
  }
  const message = `${kind === 'LogoutRequest' ? 'SAMLRequest' : 'SAMLResponse'}=${escape(deflateRawSync(xml).toString('base64'))}`
  if (signed === false) return message
  const octets = `${message}&SigAlg=${escape(signatureUri('rsa-sha256'))}`
  return `${octets}&Signature=${escape(signBytesSync(octets, { key: vendor.key, algorithm: 'rsa-sha256' }).toString('base64'))}`
}

const context = (xml: string) => ({
  now: Temporal.Instant.from('2026-03-01T09:00:02Z'),
  destinations: [/Destination="([^"]*)"/.exec(xml)?.[1] ?? '']
})

for (const name of presetNames) {
  const vector = vectorOf(name)
  suite(`Preset ${name}`, () => {
    test('logout goes the ways that the product takes, in this order', () => {
      assert.deepEqual(
        partnerOf(name).peer.channels.map(({ kind, binding }) => `${kind} ${binding}`),
        vector.channels
      )
    })

    for (const message of vector.messages)
      test(`a ${message.kind} in its shape is ${message.expect.refused === undefined ? 'read' : 'refused'}`, () => {
        const partner = partnerOf(name)
        const received = decodeRedirect(queryOf(message))
        assert.equal(received.claimed.issuer, partner.entityId)
        assert.ok(partner.incomingBindings.has(received.binding))
        const { expect } = message
        if (expect.refused !== undefined)
          return assert.throws(
            () => verifyLogoutResponse(received, partner.verification),
            (error) => error instanceof CurfewError && error.code === expect.refused
          )
        if (message.kind === 'LogoutRequest') {
          const request = verifyLogoutRequest(received, partner.verification)
          validateLogoutRequest(request, context(message.xml))
          return assert.deepEqual([request.subject.value, request.sessionIndexes], [expect.nameId, expect.sessionIndexes])
        }
        const response = verifyLogoutResponse(received, partner.verification)
        validateLogoutResponse(response, context(message.xml))
        return assert.deepEqual([response.status.code, response.status.subcodes], [expect.status, expect.subcodes ?? []])
      })

    test('every deviation says why, and where that comes from', () => {
      for (const { settings, why, source } of presets[name]) assert.ok(Object.keys(settings).length > 0 && why.length > 20 && source.length > 10)
      assert.ok(vector.provenance.length > 20)
    })

    test('is valid in both roles, and config show names it as the origin', () => {
      const entry = `[{ id: partner, protocol: saml, preset: ${name}, metadata: { file: m.xml } }]`
      for (const [list, role] of [
        ['connections', 'application'],
        ['identityProviders', 'identityProvider']
      ] as const) {
        const shown = explainConfig(load(`${list}: ${entry}`)).filter(({ origin }) => origin === `preset ${name}`)
        const keys = new Set(shown.map(({ path }) => path.split('.')[2]))
        assert.deepEqual([...keys].toSorted(), Object.keys(presetSettings(name, role)).toSorted())
      }
    })
  })
}

suite('What is written in a connection wins over its preset', () => {
  test('a setting, a part of a section, and false', () => {
    const loaded = load(`identityProviders:
  - { id: a, protocol: saml, preset: adfs, metadata: { file: m.xml }, algorithm: rsa-sha512, allowCbc: false, outgoingBindings: [post] }
  - { id: b, protocol: saml, preset: shibboleth, metadata: { file: m.xml }, encryption: { keyTransport: rsa-oaep-sha256 } }`)
    const [a, b] = loaded.config.identityProviders
    assert.ok(a?.protocol === 'saml' && b?.protocol === 'saml')
    assert.deepEqual([a.algorithm, a.allowCbc, a.outgoingBindings, a.incomingBindings], ['rsa-sha512', false, ['post'], ['redirect', 'post']])
    assert.deepEqual({ ...b.encryption }, { keyTransport: 'rsa-oaep-sha256', content: 'aes-128-gcm', certificate: undefined })
    const origin = (path: string): string | undefined => explainConfig(loaded).find((one) => one.path === path)?.origin
    assert.equal(origin('identityProviders.0.algorithm'), '/etc/curfew/curfew.yaml:6')
    assert.equal(origin('identityProviders.0.incomingBindings.1'), 'preset adfs')
    assert.equal(origin('identityProviders.1.encryption.content'), 'preset shibboleth')
    assert.equal(origin('identityProviders.1.encryption.keyTransport'), '/etc/curfew/curfew.yaml:7')
  })

  test('logout endpoints that are written in the connection are taken as they are', () => {
    const partner = partnerOf('adfs', ', slo: [{ binding: soap, url: "https://adfs.example.com/soap" }]')
    assert.deepEqual(
      partner.peer.channels.map(({ kind, binding }) => `${kind} ${binding}`),
      ['server soap']
    )
  })

  test('another product is a finding with a choice', () => {
    const result = parseConfig('connections: [{ id: a, protocol: saml, preset: adsf }]', 'curfew.yaml', { environment: {} })
    assert.ok(!result.ok)
    const finding = result.findings.find(({ path }) => path.endsWith('.preset'))
    assert.match(finding?.fix ?? '', /did you mean "adfs"/)
  })
})
