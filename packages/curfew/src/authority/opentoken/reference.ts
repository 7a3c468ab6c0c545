import { createHash, timingSafeEqual } from 'node:crypto'
import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { parametersOf } from '../request.ts'
import type { OpenTokenAdapter } from './adapter.ts'
import { leaveReference, type ReferenceAttributes, referenceParameter, takeReference } from './reference-store.ts'

/** `/ext/ref/pickup?REF=`: an application fetches, once, what was left for it (AC-033). */
export async function pickUp(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const adapter = authenticate(ctx, request)
  const found = await takeReference(
    ctx.store,
    { adapterId: adapter.id, for: 'application' },
    parametersOf(request)[referenceParameter] ?? '',
    ctx.clock.nowMs()
  )
  if (found === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(found))
}

/** `/ext/ref/dropoff`: an application leaves what it knows of a user and gets a reference for the browser to carry. */
export async function dropOff(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const adapter = authenticate(ctx, request)
  if (adapter.role !== 'idp' && adapter.accountLinkService === undefined) throw new CurfewError('CURFEW_OPENTOKEN_ADAPTER_UNKNOWN', { adapter: adapter.id })
  const reference = await leaveReference(ctx, { adapterId: adapter.id, for: 'authority' }, attributesOf(request), ctx.clock.nowMs())
  return reply.type('application/json; charset=utf-8').send(JSON.stringify({ [referenceParameter]: reference }))
}

/** Most attributes of one drop-off. */
export const droppedAttributesMax = 200

/** A JSON object of texts and lists of texts. @throws CURFEW_API_MALFORMED */
function attributesOf({ body }: FastifyRequest): ReferenceAttributes {
  const entries: readonly (readonly [string, unknown])[] = typeof body === 'object' && body !== null && !Array.isArray(body) ? Object.entries(body) : []
  const isText = (value: unknown): boolean => typeof value === 'string' || (Array.isArray(value) && value.every((one) => typeof one === 'string'))
  const subject = entries.find(([name]) => name === 'subject')?.[1]
  if (typeof subject !== 'string' || subject === '' || entries.length > droppedAttributesMax || !entries.every(([, value]) => isText(value)))
    throw new CurfewError('CURFEW_API_MALFORMED', { what: 'attributes' })
  return Object.fromEntries(entries) as ReferenceAttributes
}

/**
 * Who calls: the instance of `ping.instanceId` with its name and password, in the headers of the kits or by Basic
 * authentication. An unknown instance takes the same comparison as a known one.
 * @throws CURFEW_OPENTOKEN_REFERENCE_UNAUTHORISED
 */
function authenticate(ctx: AuthorityContext, { headers }: FastifyRequest): OpenTokenAdapter {
  const instanceId = single(headers['ping.instanceid'])
  const basic = /^Basic ([\w+/=]{1,1000})$/i.exec(headers.authorization ?? '')?.[1]
  const [basicName, ...basicRest] = Buffer.from(basic ?? '', 'base64')
    .toString('utf8')
    .split(':')
  const name = single(headers['ping.uname']) ?? basicName ?? ''
  const password = single(headers['ping.pwd']) ?? basicRest.join(':')
  const adapter = instanceId === undefined ? undefined : ctx.adapters.byId(instanceId)
  const known = adapter?.transport === 'reference' ? adapter.reference : undefined
  const isName = same(name, known?.username ?? '')
  const isPassword = same(password, known?.password ?? '')
  if (adapter === undefined || known === undefined || !isName || !isPassword) throw new CurfewError('CURFEW_OPENTOKEN_REFERENCE_UNAUTHORISED', {})
  return adapter
}

function same(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
