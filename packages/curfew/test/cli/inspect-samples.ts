import { sign } from 'node:crypto'
import { bindingUri, type LogoutRequest, serialiseMetadata, signMessage, verificationKeyFromCertificate } from '@curfew/codecs'
import { makeConnection } from '../../src/authority/saml/connection.ts'
import type { Surroundings } from '../../src/cli/inspect-surroundings.ts'
import { configSchema } from '../../src/config/schema.ts'
import { createLocator, type Locator } from '../../src/platform/locator.ts'
import { createFakeClock } from '../authority/fake-clock.ts'
import { type KeyPair, makeKeyPair } from '../authority/key-pairs.ts'
import { authorityUrl, createPartner, type Partner } from '../authority/partner.ts'
import { createSeededRandom } from '../support/seeded-random.ts'

/** Whom the messages are about: long enough that a shortened form differs. */
export const nameId = 'ana.maria.example@payroll.test'
export const nowMs = Date.parse('2026-11-24T10:00:00Z')
export const authorityPair: KeyPair = makeKeyPair('curfew')

export interface Sample {
  readonly partner: Partner
  readonly request: LogoutRequest
  readonly redirect: string
  readonly post: Readonly<Record<string, string>>
  readonly soap: string
  readonly metadata: string
}

/** One LogoutRequest of a partner by every binding, and the metadata of that partner. */
export async function sample(): Promise<Sample> {
  const partner = await createPartner('payroll', createFakeClock(nowMs), authorityPair)
  const request = partner.logoutRequest({ value: nameId }, ['index-of-no-session'])
  const metadata = serialiseMetadata({
    entityId: partner.entityId,
    id: '_metadata',
    sp: {
      keys: [{ certificates: [partner.pair.certificate] }],
      nameIdFormats: [],
      singleLogoutServices: [{ binding: bindingUri('redirect'), location: 'http://payroll.test/slo' }],
      assertionConsumerServices: [{ binding: bindingUri('post'), location: partner.acsUrl, index: 0, isDefault: true }],
      authnRequestsSigned: true,
      wantAssertionsSigned: true
    }
  })
  return {
    partner,
    request,
    redirect: await partner.logoutRedirect(request),
    post: await partner.logoutPost(request),
    soap: await partner.logoutSoap(request),
    metadata: await signMessage(metadata, partner.signing)
  }
}

export const locator: Locator = createLocator([Buffer.alloc(32, 7)], createSeededRandom(3))

/** What a configuration with this partner and one OpenID client says. */
export function surroundings({ settings, pair }: Pick<Partner, 'settings' | 'pair'>): Surroundings {
  const ownKeys = [{ key: authorityPair.key, algorithm: 'ecdsa-sha256' as const, certificate: authorityPair.certificate }]
  return {
    config: configSchema.parse({
      // Of this address only `baseUrl` below is read.
      server: { baseUrl: 'https://curfew.test' },
      saml: { keys: [{ key: 'own.key.pem', certificate: 'own.crt.pem', algorithm: 'ecdsa-sha256' }] },
      sessions: { secretFile: 'session.secret' },
      signOn: { users: 'users.yaml' },
      connections: [{ id: 'wiki', protocol: 'oidc', redirectUris: ['https://wiki.test/cb'] }]
    }),
    baseUrl: authorityUrl,
    entityId: authorityUrl,
    own: { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificatePem)] },
    skewSeconds: 60,
    partners: [makeConnection({ settings, descriptor: undefined, certificates: [pair.certificatePem], ownKeys, nowMs })],
    unread: new Map(),
    locator
  }
}

/** A token signed by this authority with ES256, or by another key. */
export function token(claims: Readonly<Record<string, unknown>>, header: Readonly<Record<string, unknown>> = {}, pair: KeyPair = authorityPair): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const octets = `${part({ alg: 'ES256', typ: 'JWT', ...header })}.${part(claims)}`
  return `${octets}.${sign('sha256', Buffer.from(octets), { key: pair.key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}
