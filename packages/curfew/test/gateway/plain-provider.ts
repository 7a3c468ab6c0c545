import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { quietImport } from '../../src/platform/quiet-import.ts'
import { freeRange } from '../support/ports.ts'
import type { Answer, Visitor } from './visitor.ts'

/** oidc-provider with nothing of ours: another product in front of which the gateway runs. */
export interface PlainProvider extends AsyncDisposable {
  readonly issuer: string
  /** What became of refresh tokens that were shown, in order. */
  readonly refreshes: ('taken' | 'refused')[]
  /** How logout tokens were answered, in order. */
  readonly backChannel: ('taken' | 'refused')[]
  /** Connections while it was away. */
  readonly attempts: number
  /** What UserInfo says of everybody. */
  mail: string
  /** Who is at the browser that signs in. */
  account: string
  /** Once the addresses of the client are known; `client` is more of its metadata. */
  start(redirectUris: readonly string[], client?: PlainClientMetadata): Promise<void>
  /** The same provider, away for a while: whoever connects is cut off. What it knows stays. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Signs a browser out here, by the address that it was sent to; answers where it is sent then. */
  signOut(visitor: Visitor, url?: string): Promise<Answer>
}

export interface PlainClientMetadata {
  readonly post_logout_redirect_uris?: string[]
  readonly backchannel_logout_uri?: string
  readonly backchannel_logout_session_required?: boolean
  /** The product has no front channel of its own: its sign-out page loads this frame with `iss` and `sid`. */
  readonly frontchannel_logout_uri?: string
}

export const plainClient = { clientId: 'gate', clientSecret: 'a secret that is long enough' } as const
/** Access tokens live so long, in seconds; refresh tokens are good for one time. */
export const accessTokenSeconds = 1

export async function createPlainProvider(): Promise<PlainProvider> {
  const { default: Provider } = await quietImport('oidc-provider WARNING: Unsupported runtime', () => import('oidc-provider'))
  const port = await freeRange(1)
  const issuer = `http://127.0.0.1:${port}`
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const state = { mail: 'ana@example.org', account: 'ana', attempts: 0, server: undefined as Server | undefined, silent: undefined as TcpServer | undefined }
  const refreshes: ('taken' | 'refused')[] = []
  const backChannel: ('taken' | 'refused')[] = []
  let provider: InstanceType<typeof Provider> | undefined
  const listen = async (): Promise<void> => {
    if (provider === undefined) throw new Error('the provider was not started')
    const engine = provider
    const callback = engine.callback()
    state.server = createServer((request, response) => {
      if (request.url?.startsWith('/interaction/') === true) void engine.interactionFinished(request, response, { login: { accountId: state.account } })
      else void callback(request, response)
    }).listen(port, '127.0.0.1')
    await once(state.server, 'listening')
  }
  const close = async (): Promise<void> => {
    const { server, silent } = state
    state.server = undefined
    state.silent = undefined
    const closed = [server, silent].flatMap((one) => (one === undefined ? [] : [once(one, 'close')]))
    server?.close().closeAllConnections()
    silent?.close()
    await Promise.all(closed)
  }
  return {
    issuer,
    refreshes,
    backChannel,
    get attempts() {
      return state.attempts
    },
    get mail() {
      return state.mail
    },
    set mail(mail) {
      state.mail = mail
    },
    get account() {
      return state.account
    },
    set account(account) {
      state.account = account
    },
    async start(redirectUris, { frontchannel_logout_uri: frame, ...client } = {}) {
      const frameOf = ({ oidc }: { readonly oidc: { readonly session?: { sidFor(clientId: string): string | undefined } | undefined } }): string =>
        frame === undefined
          ? ''
          : `<iframe src="${frame}?${new URLSearchParams({ iss: issuer, sid: oidc.session?.sidFor(plainClient.clientId) ?? '' }).toString()}"></iframe>`
      provider = await quietImport(
        'a quick start development-only in-memory adapter',
        async () =>
          new Provider(issuer, {
            clients: [
              {
                client_id: plainClient.clientId,
                client_secret: plainClient.clientSecret,
                redirect_uris: [...redirectUris],
                grant_types: ['authorization_code', 'refresh_token'],
                response_types: ['code'],
                // Its tokens have a `sid` for clients with a back channel only: this one leads nowhere.
                ...(frame === undefined ? {} : { backchannel_logout_uri: `${issuer}/nowhere`, backchannel_logout_session_required: true }),
                ...client
              }
            ],
            jwks: { keys: [{ ...(privateKey.export({ format: 'jwk' }) as { kty: string }), use: 'sig' }] },
            cookies: { keys: ['a secret of this process'] },
            features: {
              devInteractions: { enabled: false },
              backchannelLogout: { enabled: true },
              rpInitiatedLogout: {
                enabled: true,
                logoutSource: (oidc, form) => void (oidc.body = form + frameOf(oidc)),
                postLogoutSuccessSource: (oidc) => void (oidc.body = 'bye')
              }
            },
            // Its own dispatcher refuses loopback, where all of this runs.
            fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined } as RequestInit),
            claims: { openid: ['sub', 'sid'], profile: ['preferred_username'], email: ['email'] },
            interactions: { url: (_oidc, { uid }) => `/interaction/${uid}` },
            ttl: {
              AccessToken: accessTokenSeconds,
              AuthorizationCode: 60,
              Grant: 86_400,
              IdToken: 600,
              Interaction: 600,
              RefreshToken: 86_400,
              Session: 86_400
            },
            findAccount: (_oidc, accountId) => ({
              accountId,
              claims: async () => ({ sub: accountId, preferred_username: accountId, email: state.mail })
            }),
            issueRefreshToken: async () => true,
            rotateRefreshToken: true,
            async loadExistingGrant(oidc) {
              const { client, session, account } = oidc.oidc
              if (client === undefined || session === undefined || account === undefined) return undefined
              const known = session.grantIdFor(client.clientId)
              if (known !== undefined) return oidc.oidc.provider.Grant.find(known)
              const grant = new oidc.oidc.provider.Grant({ accountId: account.accountId, clientId: client.clientId })
              grant.addOIDCScope('openid profile email')
              await grant.save()
              return grant
            }
          })
      )
      provider.on('grant.success', (oidc) => void (oidc.oidc.params?.['grant_type'] === 'refresh_token' && refreshes.push('taken')))
      provider.on('grant.error', (oidc) => void (oidc.oidc.params?.['grant_type'] === 'refresh_token' && refreshes.push('refused')))
      provider.on('backchannel.success', () => void backChannel.push('taken'))
      provider.on('backchannel.error', () => void backChannel.push('refused'))
      await listen()
    },
    async pause() {
      await close()
      state.silent = createTcpServer((socket) => {
        state.attempts += 1
        socket.destroy()
      }).listen(port, '127.0.0.1')
      await once(state.silent, 'listening')
    },
    async resume() {
      await close()
      await listen()
    },
    async signOut(visitor, url = `${issuer}/session/end`) {
      const page = await visitor.ask(url)
      const frame = /<iframe src="([^"]+)"/.exec(page.body)?.[1]
      if (frame !== undefined) await visitor.ask(frame, { headers: { 'sec-fetch-dest': 'iframe' } })
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
      const body = new URLSearchParams({ xsrf, logout: 'yes' }).toString()
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const answer = await visitor.ask(`${issuer}/session/end/confirm`, { method: 'POST', body, headers })
      if (answer.status !== 303) throw new Error(`the sign-out was answered with ${answer.status}`)
      return answer
    },
    [Symbol.asyncDispose]: close
  }
}
