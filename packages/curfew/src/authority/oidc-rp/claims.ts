import { CurfewError } from '@curfew/codecs'
import type { IDToken } from 'openid-client'
import type { Arrival } from '../upstream/arrival.ts'
import type { OpenIdUpstreamSettings } from './settings.ts'

type Claims = Readonly<Record<string, unknown>>

/** SAML has a word for every strength of sign-in, OpenID only where both sides agreed on one. */
const unspecifiedContext = 'urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified'

/** What the provider is asked for beyond its ID token. */
export function missingClaims({ username, attributes = {} }: OpenIdUpstreamSettings, claims: Claims): readonly string[] {
  return [...(username === undefined ? [] : [username]), ...Object.keys(attributes)].filter((name) => claims[name] === undefined)
}

/**
 * Reads the user out of a judged ID token.
 * @param more - claims of the UserInfo endpoint for the same subject
 * @throws CURFEW_SESSION_USERNAME_MISSING when the claim that holds the user name is not there
 */
export function arrivalOf(settings: OpenIdUpstreamSettings, token: IDToken, more: Claims, idToken: string, nowMs: number): Arrival {
  const claims: Claims = { ...more, ...token }
  const username = settings.username === undefined ? token.sub : textsOf(claims[settings.username])[0]
  if (username === undefined || username === '')
    throw new CurfewError('CURFEW_SESSION_USERNAME_MISSING', { connection: settings.id, attribute: settings.username ?? 'sub' })
  const sid = claims['sid']
  return {
    providerId: settings.id,
    protocol: 'oidc',
    nameId: { value: token.sub },
    sessionIndex: typeof sid === 'string' ? sid : '',
    identity: {
      userKey: `${settings.id}:${token.sub}`,
      username,
      sourceId: settings.id,
      attributes: Object.fromEntries(
        Object.entries(settings.attributes ?? {}).flatMap(([name, own]) => {
          const values = textsOf(claims[name])
          return values.length === 0 ? [] : [[own, values] as const]
        })
      ),
      authnContext: contextOf(claims),
      authenticatedAtMs: token.auth_time === undefined ? nowMs : token.auth_time * 1000,
      ...expiryOf(claims)
    },
    issuedAtMs: token.iat * 1000,
    notOnOrAfterMs: token.exp * 1000,
    idToken
  }
}

/** Longest `acr` that is taken, in characters. */
const acrCharactersMax = 255

/** How the user signed in, in the provider's own word. */
function contextOf({ acr }: Claims): string {
  return typeof acr === 'string' && acr !== '' && acr.length <= acrCharactersMax ? acr : unspecifiedContext
}

/** The provider lets the session last no longer than this (IPSIE session level 1). */
function expiryOf({ session_expiry: expiry }: Claims): { readonly notOnOrAfterMs?: number } {
  return typeof expiry === 'number' && Number.isFinite(expiry) ? { notOnOrAfterMs: expiry * 1000 } : {}
}

function textsOf(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).flatMap((one) =>
    typeof one === 'string' ? [one] : typeof one === 'number' || typeof one === 'boolean' ? [String(one)] : []
  )
}
