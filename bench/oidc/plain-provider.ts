import { generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Configuration } from 'oidc-provider'
import { quietImport } from '../../packages/curfew/src/platform/quiet-import.ts'
import { freePort } from './ports.ts'
import { authorizationQuery, clientId, clientSecret, exactMs, type ProviderUnderTest, redirectUri, type SignedOut } from './provider-under-test.ts'
import { sqliteAdapter } from './sqlite-adapter.ts'
import type { UserAgent } from './user-agent.ts'

type Engine = InstanceType<typeof import('oidc-provider').default>

export interface PlainOptions {
  /** Back-channel address of each client. */
  readonly backChannelUris: readonly string[]
  /** Absent: its own, in memory. */
  readonly store?: 'sqlite'
}

/**
 * oidc-provider alone, with its own store in memory or the least on SQLite, its own logout and its own back channel: what somebody has who
 * takes the engine without anything of ours. Whoever comes is signed in as the one user.
 */
export async function startPlainProvider({ backChannelUris, store }: PlainOptions): Promise<ProviderUnderTest> {
  const { default: Provider } = await quietImport('oidc-provider WARNING: Unsupported runtime', () => import('oidc-provider'))
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  const adapter = store === undefined ? {} : { adapter: sqliteAdapter(join(folder, 'models.db')) }
  const provider = await quietImport(
    'a quick start development-only in-memory adapter',
    async () => new Provider(issuer, { ...configurationOf(backChannelUris), ...adapter })
  )
  const callback = provider.callback()
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/interaction/') === true) void signInAndConsent(provider, request, response)
    else void callback(request, response)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    name: `oidc-provider, ${store ?? 'memory'}`,
    issuer,
    paths: { authorization: '/auth', token: '/token', introspection: '/token/introspection' },
    async signIn(agent) {
      await agent.follow(`${issuer}/auth?${authorizationQuery(clientId(0))}`, redirectUri)
    },
    signOut: (agent) => signOut(issuer, agent),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** As ours where there is a choice: the same clients, keys of the same kind, claims in the ID token, PKCE, consent without a question. */
function configurationOf(backChannelUris: readonly string[]): Configuration {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    clients: backChannelUris.map((uri, i) => ({
      client_id: clientId(i),
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      id_token_signed_response_alg: 'ES256',
      backchannel_logout_uri: uri,
      backchannel_logout_session_required: true
    })),
    jwks: { keys: [{ ...(privateKey.export({ format: 'jwk' }) as { kty: string }), use: 'sig' }] },
    cookies: { keys: ['a secret of this process'] },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      rpInitiatedLogout: { enabled: true, logoutSource: (oidc, form) => void (oidc.body = form), postLogoutSuccessSource: (oidc) => void (oidc.body = 'bye') }
    },
    claims: { openid: ['sub', 'sid', 'acr', 'auth_time'], profile: ['name', 'preferred_username'], email: ['email'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    interactions: { url: (_oidc, { uid }) => `/interaction/${uid}` },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 86_400, IdToken: 600, Interaction: 600, Session: 86_400 },
    findAccount: (_oidc, accountId) => ({
      accountId,
      claims: async () => ({ sub: accountId, name: 'Ana', preferred_username: 'ana', email: 'ana@example.org' })
    }),
    async loadExistingGrant(oidc) {
      const { client, session, account, provider } = oidc.oidc
      if (client === undefined || session === undefined || account === undefined) return undefined
      const known = session.grantIdFor(client.clientId)
      if (known !== undefined) return provider.Grant.find(known)
      const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId })
      grant.addOIDCScope('openid profile email')
      await grant.save()
      return grant
    },
    // Its own connections refuse addresses of this machine.
    fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined } as RequestInit)
  }
}

async function signInAndConsent(provider: Engine, request: IncomingMessage, response: ServerResponse): Promise<void> {
  await provider.interactionFinished(request, response, { login: { accountId: 'ana' } })
}

async function signOut(issuer: string, agent: UserAgent): Promise<SignedOut> {
  const page = await agent.get(`${issuer}/session/end`)
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
  const pressedAtMs = exactMs()
  const answer = await agent.post(`${issuer}/session/end/confirm`, { xsrf, logout: 'yes' })
  const answeredAtMs = exactMs()
  if (answer.status !== 303 && answer.status !== 302) throw new Error(`the sign-out was answered with ${answer.status}: ${answer.body.slice(0, 300)}`)
  agent.cookies.clear()
  return { pressedAtMs, answeredAtMs }
}
