import { CurfewError, type IdToken, isCurfewError, type TokenAlgorithm, verifyIdToken, verifyLogoutToken } from '@curfew/codecs'
import { basicCredentials, type ClientSecret } from './client-secret.ts'
import type { MutualTls } from './mutual-tls.ts'
import { type Fetch, inTime, type ProviderSource } from './openid-provider.ts'

export interface OpenIdTokensOptions {
  readonly issuer: string
  readonly clientId: string
  /** Absent: a public client. */
  readonly clientSecret?: ClientSecret
  readonly mutualTls?: MutualTls
  /** Pin what the client was registered with. */
  readonly algorithms?: readonly TokenAlgorithm[]
  readonly fetch: Fetch
  readonly nowMs: () => number
}

/** What a code was asked for with. */
export interface CodeAsked {
  readonly redirectUri: string
  readonly nonce: string
  readonly verifier: string
}

/** What every token of the provider is held against. */
export type ExpectedToken = Parameters<typeof verifyLogoutToken>[1]

/** How far the clocks of application and provider may differ for a token. */
export const tokenSkewSeconds = 60

/** The tokens of one provider: fetched for a code, and verified by its keys. */
export class OpenIdTokens {
  readonly #options: OpenIdTokensOptions
  readonly #provider: ProviderSource

  constructor(options: OpenIdTokensOptions, provider: ProviderSource) {
    this.#options = options
    this.#provider = provider
  }

  /** OpenID Connect Core 1.0 section 3.1.3. @throws CURFEW_OIDC_PROVIDER, and what `verifyIdToken` throws */
  async exchange(answer: URLSearchParams, { redirectUri, nonce, verifier }: CodeAsked): Promise<{ readonly idToken: IdToken; readonly text: string }> {
    const code = answer.get('code')
    if (code === null) throw new CurfewError('CURFEW_OIDC_PROVIDER', { error: (answer.get('error') ?? 'none').slice(0, 60) })
    const { clientId, mutualTls } = this.#options
    const { tokenEndpoint, certified } = await this.#provider.configuration()
    const clientSecret = mutualTls === undefined ? this.#options.clientSecret : undefined
    const form = new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier })
    if (clientSecret === undefined) form.set('client_id', clientId)
    const credentials = clientSecret === undefined ? {} : basicCredentials(clientId, clientSecret)
    const [ask, url] = mutualTls === undefined ? [this.#options.fetch, tokenEndpoint] : [mutualTls.fetch, certified.tokenEndpoint ?? tokenEndpoint]
    const { status, answer: tokens } = await inTime(async (signal) => {
      const answered = await ask(url, {
        method: 'POST',
        redirect: 'error',
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json', ...credentials },
        body: form.toString(),
        signal
      })
      return { status: answered.status, answer: answered.status === 200 ? await answered.json() : {} }
    }).catch((cause: unknown) => {
      throw isCurfewError(cause) ? cause : new CurfewError('CURFEW_OIDC_PROVIDER', { why: 'it does not answer' }, { cause })
    })
    const { id_token: text, access_token: accessToken } = tokens as { id_token?: unknown; access_token?: unknown }
    if (typeof text !== 'string') throw new CurfewError('CURFEW_OIDC_PROVIDER', { status })
    const expected = { nonce, ...(typeof accessToken === 'string' ? { accessToken } : {}) }
    return { text, idToken: await this.verified((common) => verifyIdToken(text, { ...common, ...expected })) }
  }

  /** Verifies with the keys that are known, and once more with fresh ones when the key is none of them. */
  async verified<T>(verify: (expected: ExpectedToken) => Promise<T>): Promise<T> {
    const { issuer, clientId: audience, algorithms, nowMs } = this.#options
    const expected = (keys: unknown): ExpectedToken => ({
      issuer,
      audience,
      keys: keys as ExpectedToken['keys'],
      now: Temporal.Instant.fromEpochMilliseconds(nowMs()),
      skewSeconds: tokenSkewSeconds,
      ...(algorithms === undefined ? {} : { algorithms })
    })
    try {
      return await verify(expected(await this.#provider.keys()))
    } catch (error) {
      const fresh = isCurfewError(error) && error.code === 'CURFEW_OIDC_TOKEN_KEY_UNKNOWN' ? await this.#provider.freshKeys(nowMs()) : undefined
      if (fresh === undefined) throw error
      return verify(expected(fresh))
    }
  }
}
