import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import {
  backChannelLogoutEvent,
  bearerMethod,
  bindingUri,
  certificateBase64,
  decodeRedirect,
  encodeSoap,
  serialiseAssertion,
  serialiseLogoutRequest,
  serialiseMetadata,
  serialiseResponse,
  signEnvelopedSync,
  status
} from '@curfew/codecs'
import { createMemorySessionRegistry, createRelyingParty, createServiceProvider, type Fetch, type Guard, guardNode } from '@curfew/sdk'

/**
 * An application of somebody who installed the SDK, and its providers: who has no session is refused, and a logout token or
 * a LogoutRequest by SOAP ends one. Run in a folder where the packages are installed and `key.pem` and `certificate.pem`
 * lie; says what it was answered, one line for each protocol.
 */
const ambient = { nowMs: Date.now, randomBytes }

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
}

/** The whole application: it says who somebody is, or refuses. */
function application(guard: Guard): Promise<string> {
  return listen((request, response) => {
    guardNode(guard, request, response).then(
      (result) => {
        if (result.kind === 'signed-in') response.end(result.session.nameId.value)
        if (result.kind === 'signed-out') response.writeHead(401).end('nobody')
      },
      (error: unknown) => response.writeHead(500).end(String(error))
    )
  })
}

/** What a browser with this cookie sees. */
async function look(app: string, cookie = ''): Promise<string> {
  const answer = await fetch(`${app}/`, { headers: { cookie } })
  return `${answer.status} ${await answer.text()}`
}

function cookiesOf(answer: Response): string {
  return answer.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ')
}

async function openId(): Promise<readonly string[]> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = 'https://op.example'
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = (typ: string, claims: object): string => {
    const iat = Math.floor(Date.now() / 1000)
    const text = `${encoded({ alg: 'ES256', kid: 'k', typ })}.${encoded({ iss: issuer, aud: 'wiki', sub: 'ana', sid: 's1', iat, exp: iat + 120, ...claims })}`
    return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  let nonce: string | null = null
  const answers: Readonly<Record<string, () => object>> = {
    '/.well-known/openid-configuration': () => ({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`
    }),
    '/keys': () => ({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] }),
    '/token': () => ({ id_token: token('JWT', { nonce }), token_type: 'Bearer' })
  }
  const provider: Fetch = async (url) => ({ status: 200, json: async () => answers[new URL(url).pathname]?.() })
  const party = createRelyingParty({
    ...ambient,
    issuer,
    clientId: 'wiki',
    baseUrl: 'https://wiki.example',
    sessions: createMemorySessionRegistry(),
    fetch: provider
  })
  const app = await application(party)
  const before = await look(app)
  const start = await fetch(`${app}${party.loginPath('/')}`, { redirect: 'manual' })
  const asked = new URL(start.headers.get('location') ?? '').searchParams
  nonce = asked.get('nonce')
  const callback = `${app}/oidc/cb?${new URLSearchParams({ code: 'c', state: asked.get('state') ?? '' }).toString()}`
  const cookie = cookiesOf(await fetch(callback, { redirect: 'manual', headers: { cookie: cookiesOf(start) } }))
  const during = await look(app, cookie)
  const post = (logoutToken: string) => fetch(`${app}/oidc/backchannel-logout`, { method: 'POST', body: new URLSearchParams({ logout_token: logoutToken }) })
  const logoutToken = token('logout+jwt', { jti: 'j', events: { [backChannelLogoutEvent]: {} } })
  const forged = await post(`${logoutToken.slice(0, -8)}AAAAAAAA`)
  const still = await look(app, cookie)
  const ended = await post(logoutToken)
  return [before, during, `${forged.status}`, still, `${ended.status}`, await look(app, cookie)]
}

async function saml(): Promise<readonly string[]> {
  const [idp, entityId, baseUrl] = ['https://idp.example', 'https://payroll.example/saml/metadata', 'https://payroll.example']
  const certificate = readFileSync('certificate.pem', 'utf8')
  const key = createPrivateKey(readFileSync('key.pem'))
  const signing = { key, algorithm: 'rsa-sha256' as const }
  const metadata = serialiseMetadata({
    id: '_m',
    entityId: idp,
    idp: {
      keys: [{ use: 'signing', certificates: [certificateBase64(certificate)] }],
      nameIdFormats: [],
      wantAuthnRequestsSigned: true,
      singleSignOnServices: [{ binding: bindingUri('redirect'), location: `${idp}/sso` }],
      singleLogoutServices: [{ binding: bindingUri('redirect'), location: `${idp}/slo` }]
    }
  })
  const provider = createServiceProvider({
    ...ambient,
    entityId,
    baseUrl,
    identityProviderMetadata: Buffer.from(metadata.head + metadata.tail),
    key,
    certificate,
    sessions: createMemorySessionRegistry()
  })
  const app = await application(provider)
  const start = await fetch(`${app}${provider.loginPath('/')}`, { redirect: 'manual' })
  const inResponseTo = decodeRedirect(new URL(start.headers.get('location') ?? '').search.slice(1)).claimed.id
  const issueInstant = Temporal.Now.instant()
  const notOnOrAfter = issueInstant.add({ minutes: 5 })
  const destination = `${baseUrl}${provider.paths.assertionConsumer}`
  const assertion = signEnvelopedSync(
    serialiseAssertion({
      id: '_a',
      issuer: idp,
      issueInstant,
      subject: { nameId: { value: 'ana' }, confirmations: [{ method: bearerMethod, recipient: destination, notOnOrAfter, inResponseTo }] },
      conditions: { notOnOrAfter, audienceRestrictions: [[entityId]] },
      authnStatement: { authnInstant: issueInstant, sessionIndex: 'i', classRef: 'urn:x' },
      attributes: []
    }),
    signing
  )
  const response = serialiseResponse({ kind: 'Response', id: '_r', issuer: idp, issueInstant, destination, inResponseTo, status: status.success() }, assertion)
  const body = new URLSearchParams({ SAMLResponse: Buffer.from(response.head + response.tail).toString('base64') })
  const before = await look(app)
  const posted = await fetch(`${app}${provider.paths.assertionConsumer}`, { method: 'POST', redirect: 'manual', body })
  const here = `${app}${posted.headers.get('location') ?? ''}`
  const cookie = cookiesOf(await fetch(here, { redirect: 'manual', headers: { cookie: cookiesOf(start) } }))
  const during = await look(app, cookie)
  const logout = serialiseLogoutRequest({
    kind: 'LogoutRequest',
    id: '_l',
    issuer: idp,
    issueInstant,
    destination: `${baseUrl}${provider.paths.singleLogoutSoap}`,
    notOnOrAfter,
    subject: { value: 'ana' },
    sessionIndexes: ['i'],
    asynchronous: false
  })
  const post = (xml: string) => fetch(`${app}${provider.paths.singleLogoutSoap}`, { method: 'POST', headers: { 'content-type': 'text/xml' }, body: xml })
  const forged = await post(encodeSoap(logout.head + logout.tail))
  const still = await look(app, cookie)
  const ended = await post(encodeSoap(signEnvelopedSync(logout, signing)))
  return [before, during, `${forged.status}`, still, `${ended.status} ${/status:Success/.test(await ended.text()) ? 'Success' : ''}`, await look(app, cookie)]
}

process.stdout.write(`${(await openId()).join(', ')}\n${(await saml()).join(', ')}\n`)
