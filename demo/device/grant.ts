import type { ClientOptions } from '../application.ts'
import { loopbackFetch } from '../loopback-fetch.ts'

/** What the device knows of its access, by the latest answer of the authority. */
export type GrantState =
  | { readonly kind: 'none' }
  | { readonly kind: 'held'; readonly user: string; readonly usedAtMs: number }
  | { readonly kind: 'ended'; readonly error: string }

/** An offline grant as its holder sees it. */
export interface Grant {
  state(): GrantState
  /** Where the browser is sent to allow it. */
  authorizationUrl(state: string, challenge: string): Promise<string>
  /** Takes the grant that a code stands for. */
  take(code: string, verifier: string): Promise<void>
  /** Refreshes and asks who the user is. A refusal of the authority ends the grant here. */
  use(): Promise<void>
}

export interface GrantOptions extends ClientOptions {
  readonly clientId: string
  readonly redirectUri: string
}

interface Endpoints {
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly userinfo_endpoint: string
}

export function createGrant(options: GrantOptions): Grant {
  const { clientId, clientSecret, redirectUri, issuer, journal } = options
  let state: GrantState = { kind: 'none' }
  let refreshToken: string | undefined

  const endpoints = async (): Promise<Endpoints> => (await (await loopbackFetch(`${issuer}/.well-known/openid-configuration`)).json()) as Endpoints

  const redeem = async (fields: Readonly<Record<string, string>>): Promise<void> => {
    const { token_endpoint: tokenEndpoint, userinfo_endpoint: userinfo } = await endpoints()
    const answer = await loopbackFetch(tokenEndpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}`
      },
      body: new URLSearchParams(fields).toString()
    })
    const body = (await answer.json()) as { readonly access_token?: string; readonly refresh_token?: string; readonly error?: string }
    if (answer.status === 400) {
      const error = body.error ?? 'refused'
      refreshToken = undefined
      state = { kind: 'ended', error }
      journal.add({ atMs: Date.now(), event: 'access-ended', detail: error })
      return
    }
    if (answer.status !== 200) throw new Error(`the token endpoint answered ${answer.status}`)
    refreshToken = body.refresh_token ?? refreshToken
    const who = await loopbackFetch(userinfo, { headers: { authorization: `Bearer ${body.access_token ?? ''}` } })
    if (who.status !== 200) throw new Error(`userinfo answered ${who.status}`)
    const claims = (await who.json()) as { readonly sub: string; readonly preferred_username?: string }
    const isFirst = state.kind !== 'held'
    state = { kind: 'held', user: claims.preferred_username ?? claims.sub, usedAtMs: Date.now() }
    journal.add({ atMs: Date.now(), event: isFirst ? 'connected' : 'access-used', user: state.user })
  }

  return {
    state: () => state,
    async authorizationUrl(stateParameter, challenge) {
      const url = new URL((await endpoints()).authorization_endpoint)
      const parameters = {
        client_id: clientId,
        response_type: 'code',
        redirect_uri: redirectUri,
        scope: 'openid profile offline_access',
        prompt: 'consent',
        state: stateParameter,
        code_challenge: challenge,
        code_challenge_method: 'S256'
      }
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
      return url.href
    },
    take: (code, verifier) => redeem({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier }),
    async use() {
      if (refreshToken !== undefined) await redeem({ grant_type: 'refresh_token', refresh_token: refreshToken })
    }
  }
}
