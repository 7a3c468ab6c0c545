import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, type EntityDescriptor, parseMetadata, serialiseMetadata } from '@curfew/codecs'
import { makeConnection, makeIdpConnection } from '../../src/authority/saml/connection.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'

const own = makeKeyPair('curfew')
const peer = makeKeyPair('partner')
const ownKeys = [{ key: own.key, algorithm: 'ecdsa-sha256' as const, certificate: own.certificate }]
const keys = [{ use: 'signing' as const, certificates: [peer.certificate] }]
const post = bindingUri('post')
const good = 'https://partner.example/x'

/** Metadata as it would be read from a partner, with one address in one place. */
const places: Readonly<Record<string, (location: string) => EntityDescriptor>> = {
  'an assertion consumer service': (location) => application({ consumer: location }),
  'a logout service': (location) => application({ logout: { binding: post, location } }),
  'the answer address of a logout service': (location) => application({ logout: { binding: post, location: good, responseLocation: location } }),
  'an artifact resolution service': (location) => application({ artifact: location }),
  'a sign-on service': (location) => provider(location),
  'a logout service of an identity provider': (location) => provider(good, location)
}

function application(at: {
  readonly consumer?: string
  readonly logout?: { readonly binding: string; readonly location: string; readonly responseLocation?: string }
  readonly artifact?: string
}): EntityDescriptor {
  return {
    id: '_m',
    entityId: 'urn:partner',
    sp: {
      keys,
      nameIdFormats: [],
      singleLogoutServices: at.logout === undefined ? [] : [at.logout],
      artifactResolutionServices: at.artifact === undefined ? [] : [{ binding: bindingUri('soap'), location: at.artifact, index: 0, isDefault: true }],
      assertionConsumerServices: [{ binding: post, location: at.consumer ?? good, index: 0, isDefault: true }],
      authnRequestsSigned: false,
      wantAssertionsSigned: true
    }
  }
}

function provider(location: string, logout = good): EntityDescriptor {
  return {
    id: '_m',
    entityId: 'urn:partner',
    idp: {
      keys,
      nameIdFormats: [],
      singleLogoutServices: [{ binding: post, location: logout }],
      singleSignOnServices: [{ binding: bindingUri('redirect'), location }],
      wantAuthnRequestsSigned: false
    }
  }
}

function connected(written: EntityDescriptor): unknown {
  const { head, tail } = serialiseMetadata(written)
  const descriptor = parseMetadata(Buffer.from(head + tail))[0]
  const parts = { descriptor, certificates: [], ownKeys, nowMs: 0 }
  // With a base address a relative one would be made absolute: it must not make a script of itself either.
  const settings = { id: 'partner', baseUrl: 'https://partner.example/' }
  return descriptor?.sp === undefined ? makeIdpConnection({ ...parts, settings }) : makeConnection({ ...parts, settings })
}

const addresses: Readonly<Record<string, string>> = {
  'a script': 'javascript:alert(document.domain)',
  'a script in other letters': 'JaVaScRiPt:alert(1)',
  'a script behind a tab': 'java\tscript:alert(1)',
  'a script behind blanks': ' \u0001javascript:alert(1)',
  data: 'data:text/html,<script>alert(1)</script>',
  'a Visual Basic script': 'vbscript:msgbox(1)',
  'a file': 'file:///etc/passwd',
  'a blob': 'blob:https://partner.example/1',
  'an address of the browser': 'about:blank'
}

suite('Endpoints in metadata that a browser must not be sent to', () => {
  for (const [place, make] of Object.entries(places))
    for (const [name, address] of Object.entries(addresses))
      test(`${name} as ${place} is refused`, () => {
        assert.throws(
          () => connected(make(address)),
          (error: { readonly code?: string }) => /^CURFEW_(CONFIG_CONNECTION|XML_)/.test(error.code ?? '')
        )
      })

  test('http and https are taken: what is refused above is refused for what it is', () => {
    for (const make of Object.values(places)) for (const address of [good, 'http://partner.example/y']) assert.doesNotThrow(() => connected(make(address)))
  })
})
