import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { before, suite, test } from 'node:test'
import { SignJWT } from 'jose'
import { readCertificates } from '../../../src/platform/certificate-trust.ts'
import { type Certified, makeCertificate } from '../../support/certificates.ts'
import type { Kit } from '../kit.ts'
import { authorizationHeader, clientOf, createOidcKit, tokensFor } from '../oidc/relying-party.ts'

type Settings = ReturnType<typeof clientOf>

/** What proves a client, wherever it goes: beside what the call itself says. */
interface Proof {
  readonly query?: Readonly<Record<string, string>>
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

interface Method {
  readonly settings: Partial<Settings>
  /** @param isGood - false: by another secret, key or certificate */
  prove(kit: Kit, isGood: boolean): Proof | Promise<Proof>
  /** Only where the body of the call is not JSON. */
  readonly isForm?: true
}

const proxy = '10.0.0.9'
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const otherPair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const certificates: Record<string, Certified> = {}
before(async () => {
  const authority = await makeCertificate({ name: [{ CN: ['Own authority'] }], isAuthority: true })
  certificates['authority'] = authority
  certificates['good'] = await makeCertificate({ name: [{ CN: ['desk'] }], by: authority })
  certificates['other'] = await makeCertificate({ name: [{ CN: ['wiki'] }], by: authority })
})
const pemOf = (name: string): string => certificates[name]?.pem ?? assert.fail(name)

async function assertion(kit: Kit, isGood: boolean): Promise<Record<string, string>> {
  const signed = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer('desk')
    .setSubject('desk')
    .setAudience('http://curfew.test')
    .setExpirationTime(Math.floor(kit.clock.nowMs() / 1000) + 60)
    .setJti(randomUUID())
    .sign((isGood ? pair : otherPair).privateKey)
  return { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: signed }
}

const byKey = { authentication: 'privateKeyJwt', jwks: { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1' }] } } as const
const bySecret = { clientSecret: 'a secret that is long enough' }

const methods: Readonly<Record<string, Method>> = {
  'its secret in a header': {
    settings: { ...bySecret },
    prove: (_kit, isGood) => ({ headers: { authorization: isGood ? authorizationHeader('desk') : authorizationHeader('desk', 'another secret') } })
  },
  'its secret in a form': {
    settings: { ...bySecret, authentication: 'clientSecretPost' },
    prove: (_kit, isGood) => ({ form: { client_id: 'desk', client_secret: isGood ? bySecret.clientSecret : 'another secret' } }),
    isForm: true
  },
  'a signed assertion in the query': { settings: byKey, prove: async (kit, isGood) => ({ query: await assertion(kit, isGood) }) },
  'a signed assertion in a form': { settings: byKey, prove: async (kit, isGood) => ({ form: await assertion(kit, isGood) }), isForm: true },
  'its certificate': {
    settings: { authentication: 'tlsClientAuth', certificateSubject: { kind: 'dn', value: 'CN=desk' } },
    prove: (_kit, isGood) => ({ query: { client_id: 'desk' }, headers: { 'x-client-cert': encodeURIComponent(pemOf(isGood ? 'good' : 'other')) } })
  }
}

interface Call {
  readonly path: (sri: string) => string
  readonly body?: (sri: string) => object
  readonly status: number
}

const calls: Readonly<Record<string, Call>> = {
  'AC-096 puts an SRI on the list': { path: () => '/revokedSris', body: (sri) => ({ id: sri }), status: 201 },
  'AC-113 ends what an SRI stands for': { path: (sri) => `/sessions/${sri}/revoke`, status: 200 },
  'AC-116 ends every session of a user': { path: () => '/users/ana/revoke', status: 200 }
}

function send(kit: Kit, call: Call, sri: string, { query = {}, form, headers = {} }: Proof) {
  const json = call.body === undefined ? undefined : JSON.stringify(call.body(sri))
  const payload = json ?? (form === undefined ? undefined : new URLSearchParams(form).toString())
  const type = json === undefined ? 'application/x-www-form-urlencoded' : 'application/json'
  return kit.app.inject({
    method: 'POST',
    url: `/pf-ws/rest/sessionMgmt${call.path(sri)}`,
    query,
    remoteAddress: proxy,
    headers: { 'x-xsrf-header': 'any', ...(payload === undefined ? {} : { 'content-type': type }), ...headers },
    ...(payload === undefined ? {} : { payload })
  })
}

suite('Who may end sessions by the session management API', () => {
  for (const [how, { settings, prove, isForm = false }] of Object.entries(methods))
    for (const [what, call] of Object.entries(calls)) {
      if (isForm && call.body !== undefined) continue
      test(`${what}: a client that proves itself by ${how}, and nobody by another`, async () => {
        const { clientSecret: _secret, ...bare } = clientOf('desk')
        await using kit = await createOidcKit({
          clients: [{ ...bare, sessionRevocation: true, sessionManagement: true, ...settings }, clientOf('wiki')],
          network: async () => ({ status: 200 }),
          clientCertificates: {
            header: { name: 'x-client-cert', format: 'pem' },
            trustedProxies: [proxy],
            authorities: () => readCertificates(pemOf('authority'))
          }
        })
        const sri = String((await tokensFor(kit, kit.browser(), 'wiki')).claims['pi.sri'])
        assert.equal((await send(kit, call, sri, {})).statusCode, 401)
        const forged = await send(kit, call, sri, await prove(kit, false))
        assert.deepEqual([forged.statusCode, forged.json<{ code: string }>().code], [401, 'CURFEW_OIDC_CLIENT_AUTHENTICATION'])
        assert.equal(await kit.store.countLiveSessions(), 1)
        const proof = await prove(kit, true)
        const answer = await send(kit, call, sri, proof)
        assert.equal(answer.statusCode, call.status, answer.body)
        assert.deepEqual([await kit.store.countLiveSessions(), await kit.store.isRevoked(sri, kit.clock.nowMs())], [0, true])
        const isOnce = (proof.query ?? proof.form)?.['client_assertion'] !== undefined
        assert.equal((await send(kit, call, sri, proof)).statusCode, isOnce ? 401 : call.status, 'an assertion is good for one call')
      })
    }
})
