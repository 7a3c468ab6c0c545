import { Readable } from 'node:stream'
import { timingSafeEqual } from 'node:crypto'
import { CurfewError, decodePost, decodeRedirect, decodeSoap, isCurfewError } from '@curfew/codecs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { oidcPaths } from './oidc/endpoints.ts'
import { oidcRpPaths } from './oidc-rp/endpoints.ts'
import { formPairs, parametersOf, rawQuery, routeOf } from './request.ts'
import { groupOfArtifact } from './saml/artifact-shelf.ts'
import { samlPaths } from './saml/endpoints.ts'
import { signalPaths } from './shared-signals/endpoints.ts'
import { resumePath } from './sign-on/transaction.ts'
import { changePath, resetPath } from './sign-on/password-page.ts'
import { formCookie, persistentCookie, sessionCookie } from './sign-on/cookies.ts'

const carriedMethods = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH'] as const
type CarriedMethod = (typeof carriedMethods)[number]

/** A request as it came, for the group that has what it is about. */
export interface HandedRequest {
  readonly method: CarriedMethod
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly address: string
  readonly body: Uint8Array
}

export interface HandedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
}

/** Other groups, as requests of browsers and clients need them. */
export interface HandOver {
  /** Id of the other group that an identifier belongs to; undefined: this one, or none there is. */
  groupOf(id: string): string | undefined
  /** The other group that keeps the streams of shared signals; absent: this one. */
  readonly home?: string
  /** An identifier that this group made. */
  isOwn(id: string): boolean
  /** @throws CURFEW_GROUP_UNREACHABLE and other codes of groups */
  carry(group: string, request: HandedRequest): Promise<HandedAnswer>
  /** Known to this process only: a request that carries it was handed over to here, and stays here. */
  readonly mark: string
  /**
   * Sessions are known in every group, so that only steps of a run, and codes, go to where they are; everything else is
   * answered where it arrives. Absent: everything about a session goes to its group.
   */
  readonly only?: 'runs' | 'runs-and-codes'
}

/** Header with {@link HandOver.mark}. */
export const handedOverHeader = 'curfew-handed-over'

/** What names the owner: a value that was made there for this one step, or only the browser that a person uses. */
interface Owner {
  readonly group: string
  readonly by: 'step' | 'browser'
}

/** What was put away without cookies, and is fetched by the group that knows the browser. */
const comesWithBrowser = resumePath(':nonce')

/** Belongs to no session: answered where it arrives. `/pf-ws` looks sessions up by itself. */
const everywhere = /^\/(pf\/(?!adapter2adapter)|pf-ws\/|\.well-known\/|favicon)/
/** A sign-in begins here: a group that is away does not keep anybody from signing in at this one. */
const entrances: ReadonlySet<string> = new Set(['/', '/idp/SSO.saml2', '/idp/startSSO.ping', '/sp/startSSO.ping', oidcPaths.authorization])

/** Steps of one authorization that name nothing but the browser. */
const innerSteps = [`${oidcPaths.interaction}/`, `${oidcPaths.authorization}/`]

/**
 * Hands requests over to the group that has the state they are about: its engine, outbox and cookies serve them, and the
 * answer goes back through here. What comes in by hand-over is never handed on.
 */
export function addHandOver(app: FastifyInstance, handOver: HandOver, bodyBytesMax: number): void {
  const bodies = new WeakMap<FastifyRequest, Buffer>()
  const isHanded = new WeakSet<FastifyRequest>()
  app.addHook('onRequest', async (request) => {
    const mark = request.headers[handedOverHeader]
    delete request.headers[handedOverHeader]
    if (typeof mark === 'string' && isSame(mark, handOver.mark)) isHanded.add(request)
  })
  app.addHook('preParsing', async (request, _reply, payload) => {
    if (isHanded.has(request) || everywhere.test(routeOf(request)) || request.headers['content-type'] === undefined) return payload
    const body = await collect(payload, bodyBytesMax)
    bodies.set(request, body)
    readAgain(request, body)
    return Object.assign(Readable.from([body]), { receivedEncodedLength: body.length })
  })
  app.addHook('preHandler', async (request, reply) => {
    if (isHanded.has(request) || everywhere.test(routeOf(request))) return undefined
    const body = bodies.get(request) ?? Buffer.alloc(0)
    const owner = ownerOf(handOver, request, body)
    if (owner === undefined) return undefined
    return send(handOver, owner, { request, body }, reply)
  })
}

async function send(
  handOver: HandOver,
  owner: Owner,
  { request, body }: { readonly request: FastifyRequest; readonly body: Buffer },
  reply: FastifyReply
): Promise<FastifyReply | undefined> {
  const method = carriedMethods.find((one) => one === request.method)
  if (method === undefined) return undefined
  try {
    const answer = await handOver.carry(owner.group, {
      method,
      url: request.raw.url ?? '/',
      headers: present(request.headers),
      address: request.socket.remoteAddress ?? '',
      body
    })
    // As it is: what this group would add of its own (a cookie, above all) is for requests that it serves.
    reply.hijack()
    reply.raw.writeHead(answer.status, { ...present(answer.headers), 'content-length': answer.body.length }).end(answer.body)
    return reply
  } catch (error) {
    const isAway = isCurfewError(error) && error.code.startsWith('CURFEW_GROUP_')
    if (isAway && owner.by === 'browser' && (entrances.has(routeOf(request)) || isFetched(request))) return undefined
    if (isAway && handOver.only !== undefined && isShownAsCopy(request)) {
      copies.add(request)
      return undefined
    }
    throw error
  }
}

/** What can be told from a copy of a run without a step of it; everything else about a run its own region does. */
const copyPages: ReadonlySet<string> = new Set(['/signoff/:run', '/signoff/:run/finish'])

function isShownAsCopy(request: FastifyRequest): boolean {
  return request.method === 'GET' && runOf(request) !== undefined && copyPages.has(routeOf(request))
}

const copies = new WeakSet<FastifyRequest>()

/** The region of the run that this request is about is away: what is known of it here is shown, and nothing is done. */
export function isAboutCopy(request: FastifyRequest): boolean {
  return copies.has(request)
}

/** Of one connection only. */
const ofConnection: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'upgrade', 'te', 'trailer'])

function present(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]): [string, string | string[]][] =>
      value === undefined || ofConnection.has(name) ? [] : [[name, typeof value === 'string' ? value : [...value]]]
    )
  )
}

/** The most certain word counts: what was made for this step, then the browser. */
function ownerOf(handOver: HandOver, request: FastifyRequest, body: Buffer): Owner | undefined {
  const { only, home } = handOver
  if (home !== undefined && isOfStreams(request)) return { group: home, by: 'step' }
  const browser = browserIn(request)
  if (only === undefined && browser !== undefined && isFetched(request)) {
    const group = handOver.groupOf(browser)
    if (group !== undefined) return { group, by: 'browser' }
    if (handOver.isOwn(browser)) return undefined
  }
  for (const id of only === undefined ? stepIds(request, body) : boundIds(request, body, only)) {
    const group = id === undefined ? undefined : handOver.groupOf(id)
    if (group !== undefined) return { group, by: 'step' }
    // Nothing else about the request says more; what no group made says nothing.
    if (id !== undefined && handOver.isOwn(id)) return undefined
  }
  if (only !== undefined) return undefined
  const route = routeOf(request)
  const inner = innerSteps.some((step) => route.startsWith(step)) ? request.cookies[formCookie] : undefined
  const named = browser ?? inner
  const group = named === undefined ? undefined : handOver.groupOf(named)
  return group === undefined ? undefined : { group, by: 'browser' }
}

function browserIn({ cookies }: FastifyRequest): string | undefined {
  return cookies[sessionCookie] ?? cookies[persistentCookie]
}

/** A sign-in that another group may have put away, for a browser that shows its session only now. */
function isFetched(request: FastifyRequest): boolean {
  const route = routeOf(request)
  return route === comesWithBrowser || (route === oidcPaths.authorization && new URLSearchParams(rawQuery(request)).has('request_uri'))
}

/** Identifiers of ours that stand in this request because it is one step of something. */
function* stepIds(request: FastifyRequest, body: Buffer): Iterable<string | undefined> {
  const { nonce } = (request.params ?? {}) as { readonly nonce?: string }
  yield runOf(request)
  yield nonce
  yield* passwordStep(request)
  yield* tokensIn(request, body)
  yield askedArtifact(request, body)
  yield answeredMessage(request)
}

/** Receivers have one stream, whichever group they ask. */
function isOfStreams(request: FastifyRequest): boolean {
  const route = routeOf(request)
  return Object.values(signalPaths).some((path) => route === path)
}

/** What stays in the group that made it, where everything else is told or fetched. */
function* boundIds(request: FastifyRequest, body: Buffer, only: 'runs' | 'runs-and-codes'): Iterable<string | undefined> {
  yield runOf(request)
  if (only === 'runs-and-codes' && routeOf(request) === oidcPaths.token) yield new URLSearchParams(body.toString('latin1')).get('code') ?? undefined
}

function runOf(request: FastifyRequest): string | undefined {
  const { run } = (request.params ?? {}) as { readonly run?: string }
  return run?.startsWith('run_') === true ? run : undefined
}

/** The sign-in that a change of the password is a part of, and the code that was issued for a reset. */
function* passwordStep(request: FastifyRequest): Iterable<string | undefined> {
  const route = routeOf(request)
  if (route === changePath) yield parametersOf(request)['resume']
  if (route === resetPath) yield parametersOf(request)['code']
}

const resolutionPaths: ReadonlySet<string> = new Set([samlPaths.idp.artifactResolution, samlPaths.sp.artifactResolution])

/** The group that keeps the message that a partner exchanges an artifact for. */
function askedArtifact(request: FastifyRequest, body: Buffer): string | undefined {
  if (!resolutionPaths.has(routeOf(request))) return undefined
  try {
    const { artifact } = decodeSoap(body).claimed
    return artifact === undefined ? undefined : groupOfArtifact(artifact)
  } catch {
    // Whoever reads it next says what is wrong with it.
    return undefined
  }
}

/** Where clients show codes and tokens. */
const tokenPaths: ReadonlySet<string> = new Set([oidcPaths.token, oidcPaths.introspection, oidcPaths.revocation, oidcPaths.userinfo, oidcPaths.logout])

function* tokensIn(request: FastifyRequest, body: Buffer): Iterable<string | undefined> {
  const route = routeOf(request)
  const query = new URLSearchParams(rawQuery(request))
  if (route === oidcPaths.authorization) yield query.get('request_uri')?.replace(/^urn:ietf:params:oauth:request_uri:/, '') ?? undefined
  if (route === oidcRpPaths.callback) yield query.get('state') ?? undefined
  if (!tokenPaths.has(route)) return
  const form = new URLSearchParams(body.toString('latin1'))
  for (const name of ['code', 'refresh_token', 'token', 'access_token']) yield tokenId(form.get(name))
  yield tokenId(/^(?:Bearer|DPoP) (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null)
}

/** What names a token: an opaque one itself, a readable one its `jti`. Nothing is believed of it but where to look. */
function tokenId(token: string | null): string | undefined {
  if (token === null || token === '') return undefined
  const claims = token.split('.')[1]
  if (claims === undefined) return token
  try {
    const { jti } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { readonly jti?: unknown }
    return typeof jti === 'string' ? jti : undefined
  } catch {
    return undefined
  }
}

/** The message of ours that a SAML answer in a browser's hands is for. */
function answeredMessage(request: FastifyRequest): string | undefined {
  if (parametersOf(request)['SAMLResponse'] === undefined) return undefined
  try {
    const received = request.method === 'POST' ? decodePost(formPairs(request)) : decodeRedirect(rawQuery(request))
    return received.claimed.inResponseTo
  } catch {
    // Whoever reads it next says what is wrong with it.
    return undefined
  }
}

async function collect(payload: AsyncIterable<Uint8Array>, max: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of payload) {
    total += chunk.length
    if (total > max) throw new CurfewError('CURFEW_API_TOO_LARGE', { maximum: max })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** For a reader that takes the body from the connection itself: it finds what was read already. */
function readAgain(request: FastifyRequest, body: Buffer): void {
  Object.defineProperties(request.raw, { readable: { value: true, configurable: true }, iterator: { value: () => Readable.from([body]), configurable: true } })
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}
