import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type JwtPeek, skewSecondsDefault } from '@curfew/codecs'
import { compactVerify, createLocalJWKSet } from 'jose'
import type { Config } from '../config/schema.ts'
import type { Judgement } from './inspect-judgement.ts'
import { type AskServer, asked, judgeSession } from './inspect-server.ts'
import type { Show } from './inspect-shorten.ts'
import type { Surroundings } from './inspect-surroundings.ts'
import { judgeTimes, type Times } from './inspect-times.ts'

type Claims = NonNullable<JwtPeek['claims']>

/** Claims that name no person and open nothing; strings of every other claim are shortened. */
const openClaims: ReadonlySet<string> = new Set([
  ...['iss', 'aud', 'azp', 'client_id', 'typ', 'scope', 'acr', 'amr', 'events', 'token_use'],
  ...['run', 'reason', 'startedAt', 'finishedAt', 'verdict', 'partial', 'participants']
])
const timeClaims: ReadonlySet<string> = new Set(['exp', 'iat', 'nbf', 'auth_time', 'updated_at'])

/** Claims as they are printed: times as times, what names a person by `show`. */
export function shownClaims(claims: Claims, show: Show): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(claims).map(([name, value]) => {
      if (timeClaims.has(name) && typeof value === 'number') return [name, timeText(value)]
      return [name, openClaims.has(name) ? value : shownValue(value, show)]
    })
  )
}

function shownValue(value: unknown, show: Show): unknown {
  if (typeof value === 'boolean' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => shownValue(one, show))
  if (typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shownValue(one, show)]))
  return show(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
}

function timeText(seconds: number): string {
  const atMs = seconds * 1000
  return Math.abs(atMs) < 8.64e15 ? new Date(atMs).toISOString() : String(seconds)
}

/** Judges a token: signature, audience, times, and the session behind a `sid` of ours. Arguments as for a message. */
export async function judgeToken(
  token: string,
  peek: JwtPeek,
  surroundings: Surroundings | undefined,
  server: AskServer | undefined,
  nowMs: number
): Promise<readonly Judgement[]> {
  const claims = peek.claims ?? {}
  return [
    await judgeTokenSignature(token, peek, surroundings),
    ...judgeAudience(claims, surroundings),
    ...judgeTimes(tokenTimes(claims), nowMs, surroundings?.skewSeconds ?? skewSecondsDefault),
    ...(await judgeSid(claims, surroundings, server))
  ]
}

function tokenTimes(claims: Claims): Times {
  const issuedAtMs = msOf(claims['iat'])
  const notBeforeAtMs = msOf(claims['nbf'])
  const expiresAtMs = msOf(claims['exp'])
  return {
    limitsAge: false,
    ...(issuedAtMs === undefined ? {} : { issuedAtMs }),
    ...(notBeforeAtMs === undefined ? {} : { notBeforeAtMs }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs })
  }
}

function msOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value * 1000 : undefined
}

/** Checks the signature with the keys of this authority or of the client that made it; nothing is fetched. */
async function judgeTokenSignature(token: string, { header, claims }: JwtPeek, surroundings: Surroundings | undefined): Promise<Judgement> {
  const what = 'signature'
  const { alg } = header
  if (alg === 'none' || typeof alg !== 'string') return { what, verdict: 'fail', why: 'there is none' }
  if (claims === undefined) return { what, verdict: 'unknown', why: 'an encrypted token shows it to its recipient only' }
  if (alg.startsWith('HS')) return { what, verdict: 'unknown', why: `${alg} is checked with a secret, which is not looked for here` }
  const { iss } = claims
  if (surroundings === undefined) return { what, verdict: 'unknown', why: `no key of ${text(iss)} is known; run it where curfew.yaml is` }
  if (iss === surroundings.entityId || iss === surroundings.baseUrl) return judged(await isByOneOf(token, alg, ownKeys(surroundings)), 'this authority')
  const client = clientOf(surroundings.config, iss)
  if (client?.jwks === undefined) return { what, verdict: 'unknown', why: `the configuration holds no key of ${text(iss)}` }
  const keys = createLocalJWKSet({ keys: client.jwks.keys as { kty: string }[] })
  return judged(await isGood(() => compactVerify(token, keys, { algorithms: [alg] })), client.id)
}

function judged(isTrue: boolean, signer: string): Judgement {
  if (isTrue) return { what: 'signature', verdict: 'ok', why: `made by a key of ${signer}` }
  return { what: 'signature', verdict: 'fail', why: `made by no key of ${signer}, or the token was changed` }
}

async function isByOneOf(token: string, alg: string, keys: readonly KeyObject[]): Promise<boolean> {
  for (const key of keys) if (await isGood(() => compactVerify(token, key, { algorithms: [alg] }))) return true
  return false
}

/** A key of another kind and a wrong signature both throw. */
async function isGood(verify: () => Promise<unknown>): Promise<boolean> {
  return verify().then(
    () => true,
    () => false
  )
}

function ownKeys({ own, config }: Surroundings): readonly KeyObject[] {
  const separate = (config.oidc.keys ?? []).flatMap(({ key }) => {
    try {
      return [createPublicKey(createPrivateKey(readFileSync(key, 'utf8')).export({ type: 'pkcs8', format: 'pem' }).toString())]
    } catch {
      return []
    }
  })
  return [...own.keys.map(({ key }) => key), ...separate]
}

type Client = Extract<Config['connections'][number], { readonly protocol: 'oidc' }>

/** The client of that identifier. */
function clientOf({ connections }: Config, clientId: unknown): Client | undefined {
  return connections.filter((one) => one.protocol === 'oidc').find((client) => (client.clientId ?? client.id) === clientId)
}

/** Whom the token is for: one of our clients when we made it, us when somebody else did. */
function judgeAudience(claims: Claims, surroundings: Surroundings | undefined): readonly Judgement[] {
  const what = 'audience'
  const audience = [claims['aud']].flat().filter((one) => typeof one === 'string')
  if (surroundings === undefined || audience.length === 0) return []
  const { baseUrl, entityId, config } = surroundings
  const isOurs = claims['iss'] === baseUrl || claims['iss'] === entityId
  const known = isOurs ? audience.filter((one) => clientOf(config, one) !== undefined) : audience.filter((one) => one === entityId || one.startsWith(baseUrl))
  if (known.length > 0) return [{ what, verdict: 'ok', why: isOurs ? `${known.join(', ')} is a client here` : 'this authority' }]
  const whom = isOurs ? 'no client of that name is configured' : `this authority is ${baseUrl}`
  return [{ what, verdict: 'fail', why: `made for ${audience.join(', ')}, ${whom}` }]
}

/** The session behind the `sid` of a token of ours. */
async function judgeSid(claims: Claims, surroundings: Surroundings | undefined, server: AskServer | undefined): Promise<readonly Judgement[]> {
  const what = 'session'
  const { sid, sub, iss } = claims
  if (typeof sid !== 'string' || surroundings === undefined || iss !== surroundings.baseUrl) return []
  const client = [claims['aud']].flat().flatMap((audience) => clientOf(surroundings.config, audience) ?? [])[0]
  if (client === undefined) return []
  if (surroundings.locator === undefined) return [{ what, verdict: 'unknown', why: 'not asked: sessions.secretFile can not be read' }]
  const sessionId = surroundings.locator.open(client.clientId ?? client.id, sid)
  if (sessionId === undefined) return [{ what, verdict: 'fail', why: `sid was not issued here to ${client.id}` }]
  const nameId = typeof sub === 'string' ? sub : undefined
  return [await asked(what, server, (one) => judgeSession(one, { peer: client.id, sessionId, nameId }))]
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : 'its maker'
}
