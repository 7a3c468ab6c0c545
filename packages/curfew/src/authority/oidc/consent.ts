import type { Grant, KoaContextWithOIDC } from 'oidc-provider'
import type { OidcClient } from './client.ts'

/** Claims of the standard scopes; whatever else a client maps comes with `openid`. */
export const claimsOfScopes = {
  profile: ['name', 'family_name', 'given_name', 'preferred_username'],
  email: ['email', 'email_verified']
} as const satisfies Readonly<Record<string, readonly string[]>>

const ofScopes: ReadonlySet<string> = new Set(Object.values(claimsOfScopes).flat())

/** Claims of a client that need no scope but `openid`. */
export function ownClaimsOf({ claims }: Pick<OidcClient, 'claims'>): readonly string[] {
  return Object.keys(claims).filter((claim) => !ofScopes.has(claim))
}

/** What the page of a consent lists, and what agreeing to it grants. */
export interface Asked {
  readonly scopes: readonly string[]
  /** Claims by name, beside those of the scopes. */
  readonly claims: readonly string[]
}

/** Facts of the sign-in itself, and the name of the user: no consent is about them. */
const always: ReadonlySet<string> = new Set(['sub', 'sid', 'pi.sri', 'auth_time', 'acr', 'amr', 'iss'])

/** What an authorization asks for, of what this client may have. */
export function askedOf(client: OidcClient, params: Readonly<Record<string, unknown>>): Asked {
  const scopes = typeof params['scope'] === 'string' ? params['scope'].split(' ').filter((scope) => scope !== '') : []
  const byName = claimNames(params['claims']).filter((claim) => mayHave(client, claim))
  return { scopes, claims: [...new Set([...ownClaimsOf(client), ...byName])].filter((claim) => !isIn(scopes, claim)) }
}

/** The parameter `claims`: a name that stands there twice is one. */
function claimNames(parameter: unknown): readonly string[] {
  if (typeof parameter !== 'string') return []
  const { userinfo, id_token: idToken } = JSON.parse(parameter) as { readonly userinfo?: object | null; readonly id_token?: object | null }
  return [...new Set([userinfo, idToken].flatMap((part) => Object.keys(part ?? {})))].filter((claim) => !always.has(claim))
}

/** A claim of a scope that the client is not allowed is not had by its name either. */
function mayHave(client: OidcClient, claim: string): boolean {
  return ownClaimsOf(client).includes(claim) || isIn(client.scopes, claim)
}

function isIn(scopes: readonly string[], claim: string): boolean {
  return scopes.some((scope) => (claimsOfScopes as Readonly<Record<string, readonly string[]>>)[scope]?.includes(claim) === true)
}

/**
 * Adds to a grant what was agreed to: of a client that asks nobody everything that it may have, otherwise what the page
 * showed, to what earlier pages have. Whatever is missing then is asked about by the engine.
 */
export function agree(grant: Grant, client: OidcClient, { requestParamOIDCScopes: known, params = {} }: KoaContextWithOIDC['oidc']): void {
  const asked = askedOf(client, params)
  const all = [...client.scopes, ...(client.refreshTokens ? ['offline_access'] : [])]
  grant.addOIDCScope((client.asksConsent ? asked.scopes.filter((scope) => known.has(scope)) : all).join(' '))
  grant.addOIDCClaims([...asked.claims])
}

/** Of claims that this client may not have nobody is asked, and nothing is kept of them. */
export function passOver(grant: Grant, client: OidcClient, { params = {} }: KoaContextWithOIDC['oidc']): void {
  grant.rejectOIDCClaims(claimNames(params['claims']).filter((claim) => !mayHave(client, claim)))
}
