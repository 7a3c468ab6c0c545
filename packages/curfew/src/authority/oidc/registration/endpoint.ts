import { CurfewError, isCurfewError } from '@curfew/codecs'
import { createRateWindow, type RateWindow } from '../../../platform/rate-window.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../../context.ts'
import { noStore } from '../../request.ts'
import { hashOfSecret, sameHash } from '../client-secret.ts'
import { oidcPaths, oidcUrl } from '../endpoints.ts'
import { type ClientMetadata, parseClientMetadata, refused } from './client-metadata.ts'
import type { Registration } from './registration.ts'
import { newClientId, type RegisteredClient } from './registered-client.ts'
import type { RegistrationSettings } from './settings.ts'
import { readSoftwareStatement } from './software-statement.ts'

/** Largest body of a registration, in octets. */
const bodyBytesMax = 65_536

interface Desk extends Registration {
  readonly ctx: AuthorityContext
  readonly rate: RateWindow
}

/** `/as/clients.oauth2`: clients register themselves (RFC 7591) and look after what they registered (RFC 7592). */
export function registrationRoutes(app: FastifyInstance, ctx: AuthorityContext, registration: Registration): void {
  const desk: Desk = { ...registration, ctx, rate: createRateWindow(registration.settings.perMinuteMax) }
  const one = `${oidcPaths.registration}/:client`
  app.setErrorHandler(async (error, request, reply) => sendError(ctx, error, request, reply))
  app.addHook('onRequest', async (request) => requirePace(desk, request))
  app.post(oidcPaths.registration, { bodyLimit: bodyBytesMax }, (request, reply) => register(desk, request, reply))
  app.get(one, (request, reply) => read(desk, request, reply))
  app.put(one, { bodyLimit: bodyBytesMax }, (request, reply) => update(desk, request, reply))
  app.delete(one, (request, reply) => remove(desk, request, reply))
}

function requirePace({ ctx, rate, settings }: Desk, request: FastifyRequest): void {
  if (!rate.take(request.ip, ctx.clock.nowMs())) throw new CurfewError('CURFEW_OIDC_REGISTRATION_TOO_FAST', { perMinute: settings.perMinuteMax })
}

async function register(desk: Desk, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { ctx, clients, settings } = desk
  const by = permittedBy(settings, request)
  const metadata = await metadataIn(desk, request)
  if ((await clients.count()) >= settings.clientsMax) throw new CurfewError('CURFEW_OIDC_REGISTRATION_FULL', { maximum: settings.clientsMax })
  const clientId = newClientId(ctx.random.bytes(16))
  const token = newSecret(ctx)
  const secret = hasSecret(metadata) ? newSecret(ctx) : undefined
  const record: RegisteredClient = {
    metadata,
    tokenHash: hashOfSecret(token),
    issuedAtMs: ctx.clock.nowMs(),
    by,
    version: 1,
    ...(secret === undefined ? {} : { secretHash: hashOfSecret(secret) })
  }
  await keep(desk, clientId, record)
  await note(ctx, 'client.registered', clientId, { by })
  return reply
    .status(201)
    .headers({ ...noStore })
    .send({ ...answerOf(ctx, clientId, record, secret), registration_access_token: token })
}

async function read(desk: Desk, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { clientId, record, isFormer } = await owned(desk, request)
  if (!isFormer && record.formerTokenHash !== undefined) await keep(desk, clientId, settled(record))
  return reply.headers({ ...noStore }).send(answerOf(desk.ctx, clientId, record, undefined))
}

/** What only the server sets, and what a request therefore may not say (RFC 7592 section 2.2). */
const ours = ['registration_access_token', 'registration_client_uri', 'client_secret_expires_at', 'client_id_issued_at'] as const

async function update(desk: Desk, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { ctx, settings } = desk
  const { clientId, record, isFormer } = await owned(desk, request)
  const body = (request.body ?? {}) as Readonly<Record<string, unknown>>
  const { client_id: named, client_secret: shown } = body
  if (named !== clientId || ours.some((name) => name in body))
    throw refused('invalid_client_metadata', 'client_id is another, or a value is there that only this server sets')
  if (shown !== undefined && (typeof shown !== 'string' || record.secretHash === undefined || !sameHash(record.secretHash, hashOfSecret(shown))))
    throw refused('invalid_client_metadata', 'client_secret is another')
  const metadata = await metadataIn(desk, request)
  const { secretHash: former, ...rest } = settled(record)
  const fresh = hasSecret(metadata) && (former === undefined || settings.rotatesSecrets) ? newSecret(ctx) : undefined
  const secretHash = fresh === undefined ? (hasSecret(metadata) ? former : undefined) : hashOfSecret(fresh)
  const token = settings.rotatesAccessTokens ? newSecret(ctx) : undefined
  // Whoever came with the former token never got the one after it: that one goes, and the former stays until the next is used.
  const shownHash = isFormer ? record.formerTokenHash : record.tokenHash
  const next: RegisteredClient = {
    ...rest,
    metadata,
    version: record.version + 1,
    ...(token === undefined ? {} : { tokenHash: hashOfSecret(token), ...(shownHash === undefined ? {} : { formerTokenHash: shownHash }) }),
    ...(secretHash === undefined ? {} : { secretHash })
  }
  await keep(desk, clientId, next)
  await note(ctx, 'client.updated', clientId, {
    ...(token === undefined ? {} : { accessToken: 'new' }),
    ...(fresh === undefined ? {} : { secret: 'new' })
  })
  return reply.headers({ ...noStore }).send({ ...answerOf(ctx, clientId, next, fresh), ...(token === undefined ? {} : { registration_access_token: token }) })
}

/** The record of a client that has shown its present token: the former one is worth nothing any more. */
function settled(record: RegisteredClient): RegisteredClient {
  const { formerTokenHash, ...rest } = record
  return formerTokenHash === undefined ? record : { ...rest, version: record.version + 1 }
}

async function remove(desk: Desk, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { clientId } = await owned(desk, request)
  await desk.clients.remove(clientId)
  await note(desk.ctx, 'client.removed', clientId, {})
  return reply
    .status(204)
    .headers({ ...noStore })
    .send()
}

/** @throws CURFEW_OIDC_REGISTRATION_TOKEN (401) */
function permittedBy({ isOpen, initialAccessTokens }: RegistrationSettings, request: FastifyRequest): string {
  const given = bearerOf(request)
  const named = initialAccessTokens.filter(({ token }) => sameHash(hashOfSecret(token), hashOfSecret(given ?? '')))
  if (given !== undefined && named[0] !== undefined) return named[0].name
  // A wrong token is a mistake also where none is needed.
  if (isOpen && given === undefined) return 'open'
  throw new CurfewError('CURFEW_OIDC_REGISTRATION_TOKEN', { why: given === undefined ? 'no token' : 'unknown token' })
}

/** The client whose registration access token came. @throws CURFEW_OIDC_REGISTRATION_TOKEN (401), also where there is no such client */
async function owned({ clients }: Desk, request: FastifyRequest): Promise<Owned> {
  const clientId = (request.params as { readonly client: string }).client
  const record = await clients.record(clientId)
  const shown = hashOfSecret(bearerOf(request) ?? '')
  const isRight = sameHash(record?.tokenHash ?? '', shown)
  const isFormer = !isRight && sameHash(record?.formerTokenHash ?? '', shown)
  if (record === undefined || !(isRight || isFormer)) throw new CurfewError('CURFEW_OIDC_REGISTRATION_TOKEN', { why: 'unknown client or another token' })
  return { clientId, record, isFormer }
}

interface Owned {
  readonly clientId: string
  readonly record: RegisteredClient
  /** It came with the token before the present one, as a client does that never got the answer. */
  readonly isFormer: boolean
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer ([\w.~+/=-]{1,2048})$/i.exec(request.headers.authorization ?? '')?.[1]
}

async function metadataIn({ ctx, settings }: Desk, request: FastifyRequest): Promise<ClientMetadata> {
  const body = request.body
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw refused('invalid_client_metadata', 'the body is no JSON object')
  const { software_statement: statement } = body as { readonly software_statement?: unknown }
  const stated = typeof statement === 'string' ? await readSoftwareStatement(statement, settings.statementIssuers, ctx.clock.nowMs()) : {}
  const metadata = parseClientMetadata({ ...body, ...stated }, settings)
  const isByCertificate = metadata.token_endpoint_auth_method.endsWith('tls_client_auth') || metadata.tls_client_certificate_bound_access_tokens === true
  if (isByCertificate && !ctx.clientCertificates.isOn) throw refused('invalid_client_metadata', 'no certificate is ever asked for here')
  return metadata
}

/** What the rules of configured clients refuse is a refusal here, too. */
async function keep({ clients }: Desk, clientId: string, record: RegisteredClient): Promise<void> {
  try {
    await clients.register(clientId, record)
  } catch (error) {
    if (isCurfewError(error) && error.code === 'CURFEW_CONFIG_CONNECTION') throw refused('invalid_client_metadata', String(error.context['reason']))
    throw error
  }
}

function hasSecret({ token_endpoint_auth_method: method }: ClientMetadata): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post'
}

function newSecret(ctx: Pick<AuthorityContext, 'random'>): string {
  return Buffer.from(ctx.random.bytes(32)).toString('base64url')
}

/** The secret is told once: what is kept is its hash. */
function answerOf(ctx: Pick<AuthorityContext, 'baseUrl'>, clientId: string, { metadata, issuedAtMs }: RegisteredClient, secret: string | undefined): object {
  return {
    ...metadata,
    client_id: clientId,
    client_id_issued_at: Math.floor(issuedAtMs / 1000),
    ...(secret === undefined ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
    registration_client_uri: `${oidcUrl(ctx, 'registration')}/${clientId}`
  }
}

async function note(ctx: AuthorityContext, event: string, clientId: string, detail: Readonly<Record<string, string>>): Promise<void> {
  ctx.logger.info({ event, client: clientId, ...detail }, 'The registration of a client changed')
  await ctx.store.appendAudit({ atMs: ctx.clock.nowMs(), event, actor: { kind: 'peer', id: clientId }, peerId: clientId, detail })
}

/** In the words of RFC 7591 section 3.2.2; unlike elsewhere the reason is told, because who registers has to put it right. */
function sendError(ctx: AuthorityContext, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = answerTo(error)
  if (answer === undefined) throw error
  if (isCurfewError(error)) {
    ctx.metrics.requestsRefused.inc({ code: error.code })
    ctx.logger.warn({ event: 'request.refused', code: error.code, reference: request.id, ...error.context }, error.message)
  }
  if (answer.status === 401) reply.header('www-authenticate', 'Bearer realm="curfew", error="invalid_token"')
  if (answer.status === 429) reply.header('retry-after', '60')
  return reply
    .status(answer.status)
    .headers({ ...noStore })
    .send({ error: answer.error, error_description: `${answer.why} (reference ${request.id})` })
}

function answerTo(error: unknown): { readonly status: number; readonly error: string; readonly why: string } | undefined {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (!isCurfewError(error)) return status >= 400 && status < 500 ? { status, error: 'invalid_client_metadata', why: 'the body can not be read' } : undefined
  const { error: word = '', why = '' } = error.context
  switch (error.code) {
    case 'CURFEW_OIDC_REGISTRATION_REFUSED':
      return { status: 400, error: String(word), why: String(why) }
    case 'CURFEW_OIDC_REGISTRATION_TOKEN':
      return { status: 401, error: 'invalid_token', why: 'the token is not good for this' }
    case 'CURFEW_OIDC_REGISTRATION_TOO_FAST':
      return { status: 429, error: 'temporarily_unavailable', why: 'too many requests' }
    case 'CURFEW_OIDC_REGISTRATION_FULL':
      return { status: 503, error: 'temporarily_unavailable', why: 'there are as many clients as are allowed' }
    default:
      return undefined
  }
}
