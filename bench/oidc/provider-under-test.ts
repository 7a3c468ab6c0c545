import { createHash } from 'node:crypto'
import type { UserAgent } from './user-agent.ts'

/** An OpenID provider that is measured: this product, or the engine alone. */
export interface ProviderUnderTest extends AsyncDisposable {
  readonly name: string
  readonly issuer: string
  readonly paths: { readonly authorization: string; readonly token: string; readonly introspection: string }
  /** A person who is signed in, with a session that has no clients yet. */
  signIn(agent: UserAgent): Promise<void>
  /** Ends the session of this person. */
  signOut(agent: UserAgent): Promise<SignedOut>
}

/** Milliseconds since 1970, with fractions. */
export interface SignedOut {
  readonly pressedAtMs: number
  readonly answeredAtMs: number
}

export function exactMs(): number {
  return performance.timeOrigin + performance.now()
}

export const clientSecret = 'a secret that is long enough'
export const redirectUri = 'http://127.0.0.1:9/cb'
export const verifier = 'v'.repeat(64)
export const scope = 'openid profile email'

export function clientId(index: number): string {
  return `client${index}`
}

/** What one authorization asks for; the same at each provider. */
export function authorizationQuery(client: string): string {
  return new URLSearchParams({
    client_id: client,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope,
    state: 'state',
    nonce: 'nonce',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256'
  }).toString()
}

export function basicHeader(client: string): string {
  return `Basic ${Buffer.from(`${client}:${clientSecret}`).toString('base64')}`
}

type Endpoints = Pick<ProviderUnderTest, 'issuer' | 'paths'>

/** One whole code flow of a person who is signed in: authorization, code, tokens. Returns the access token. */
export async function codeFlow({ issuer, paths }: Endpoints, agent: UserAgent, client: string): Promise<string> {
  const answer = await agent.follow(`${issuer}${paths.authorization}?${authorizationQuery(client)}`, redirectUri)
  const code = URL.parse(answer.location)?.searchParams.get('code') ?? ''
  if (code === '') throw new Error(`no code for ${client}: ${answer.status} ${answer.location} ${answer.body.slice(0, 300)}`)
  const tokens = await agent.post(
    issuer + paths.token,
    { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier },
    { authorization: basicHeader(client), accept: 'application/json' }
  )
  const { access_token: token, id_token: idToken } = JSON.parse(tokens.body) as { access_token?: string; id_token?: string }
  if (token === undefined || idToken === undefined) throw new Error(`no tokens for ${client}: ${tokens.status} ${tokens.body.slice(0, 300)}`)
  return token
}
