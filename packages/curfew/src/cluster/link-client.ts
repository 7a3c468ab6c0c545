import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { Group } from '../core/group.ts'
import type { Clock } from '../platform/clock.ts'
import type { Outbound, OutboundResponse } from '../platform/outbound.ts'
import type { Random } from '../platform/random.ts'
import { answerBytesMax, bodyBytesMax, callMs, type CallOptions } from './call.ts'
import { groupError } from './group-error.ts'
import { linkHeaders, linkPath } from './link-http.ts'
import type { CallHead, Prover } from './proof.ts'

/** Asks the nodes of other groups. */
export interface LinkClient {
  /**
   * Asks one group. The first node that can be connected to carries the call out; a call that may have reached one is
   * not made again.
   * @throws CURFEW_GROUP_UNREACHABLE when no node of it answers in time, CURFEW_GROUP_ANSWER when what came is not proved
   *   or not what was asked for, CURFEW_GROUP_CALL_TOO_LARGE, CURFEW_GROUP_CALL_FAILED, and codes of the handler there
   */
  ask<Answer>(group: Group, name: string, body: unknown, options: CallOptions<Answer>): Promise<Answer>
}

export interface LinkClientDeps {
  readonly self: Group
  readonly prover: Prover
  readonly outbound: Pick<Outbound, 'request'>
  readonly clock: Clock
  readonly random: Pick<Random, 'bytes'>
}

export function createLinkClient(deps: LinkClientDeps): LinkClient {
  /** Of each group the link that answered last. */
  const goodLink = new Map<string, string>()
  return {
    async ask(group, name, body, options) {
      const octets = Buffer.from(JSON.stringify(body ?? null))
      if (octets.length > bodyBytesMax) throw groupError('CURFEW_GROUP_CALL_TOO_LARGE', { call: name, bytes: octets.length, maximum: bodyBytesMax })
      const deadlineMs = deps.clock.nowMs() + (options.timeoutMs ?? callMs)
      let failure: unknown
      for (const link of inOrder(group, goodLink.get(group.id))) {
        try {
          const answer = await exchange(deps, {
            group,
            link,
            name,
            octets,
            deadlineMs,
            answerMax: options.answerBytesMax ?? answerBytesMax,
            signal: options.signal
          })
          goodLink.set(group.id, link)
          return read(group, name, answer, options)
        } catch (error) {
          failure = error
          if (isUntouched(error)) continue
          // A node that took the call and says nothing: the next call begins with another one.
          if (isSilent(error) || options.signal?.aborted === true) goodLink.set(group.id, after(group, link))
          break
        }
      }
      throw isCurfewError(failure) && !failure.code.startsWith('CURFEW_OUTBOUND_')
        ? failure
        : groupError('CURFEW_GROUP_UNREACHABLE', { group: group.id, call: name, why: isCurfewError(failure) ? failure.code : 'it has no links' }, failure)
    }
  }
}

/** The link that was good comes first. */
function inOrder({ links }: Group, good: string | undefined): readonly string[] {
  return good === undefined || !links.includes(good) ? links : [good, ...links.filter((link) => link !== good)]
}

function after({ links }: Group, link: string): string {
  return links[(links.indexOf(link) + 1) % links.length] ?? link
}

function isSilent(error: unknown): boolean {
  return isCurfewError(error) && error.code === 'CURFEW_OUTBOUND_TIMEOUT'
}

interface Exchange {
  readonly group: Group
  readonly link: string
  readonly name: string
  readonly octets: Buffer
  readonly deadlineMs: number
  readonly answerMax: number
  readonly signal: AbortSignal | undefined
}

async function exchange(deps: LinkClientDeps, { group, link, name, octets, deadlineMs, answerMax, signal }: Exchange): Promise<OutboundResponse> {
  const { self, prover, clock, random } = deps
  const atMs = clock.nowMs()
  const head: CallHead = {
    method: 'POST',
    path: linkPath(name),
    from: self.id,
    to: group.id,
    atMs,
    deadlineMs,
    nonce: Buffer.from(random.bytes(17)).toString('base64url').slice(0, 22)
  }
  const answer = await deps.outbound.request({
    peerId: `group:${group.id}`,
    url: new URL(head.path, link).href,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      [linkHeaders.from]: head.from,
      [linkHeaders.to]: head.to,
      [linkHeaders.at]: String(atMs),
      [linkHeaders.deadline]: String(deadlineMs),
      [linkHeaders.nonce]: head.nonce,
      [linkHeaders.proof]: prover.call(head, octets)
    },
    body: octets,
    timeoutMs: Math.max(1, deadlineMs - atMs),
    responseBytesMax: answerMax,
    ...(signal === undefined ? {} : { signal })
  })
  const proof = answer.headers[linkHeaders.proof] ?? ''
  const answerHead = { from: group.id, to: self.id, nonce: head.nonce, status: answer.status }
  if (!prover.isAnswer(answerHead, answer.body, proof))
    throw groupError('CURFEW_GROUP_ANSWER', { group: group.id, call: name, status: answer.status, why: unproved[answer.status] ?? 'not-proved' })
  return answer
}

/** Hints for people, not proved either: whoever refuses proves nothing to a caller that proved nothing. */
const unproved: Readonly<Record<number, string>> = { 401: 'secret-differs', 421: 'another-group' }

function read<Answer>(group: Group, name: string, { status, body }: OutboundResponse, options: CallOptions<Answer>): Answer {
  const value = parsed(body)
  if (status !== 200) throw failed(group, name, value)
  const answer = options.answer.safeParse(value)
  if (!answer.success) throw groupError('CURFEW_GROUP_ANSWER', { group: group.id, call: name, why: 'shape' }, answer.error)
  return answer.data
}

/** An error of the handler there keeps its code, so that the caller can tell "unknown" from "did not work". */
function failed(group: Group, name: string, value: unknown): CurfewError {
  const { code, context } = (value ?? {}) as { readonly code?: unknown; readonly context?: Readonly<Record<string, string | number>> }
  if (typeof code !== 'string' || !code.startsWith('CURFEW_')) return groupError('CURFEW_GROUP_CALL_FAILED', { group: group.id, call: name })
  return new CurfewError(code as `CURFEW_${string}`, { ...context, inGroup: group.id })
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

const notConnected: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

/** True when surely nothing of the call has reached a node. */
function isUntouched(error: unknown): boolean {
  if (isCurfewError(error) && (error.code === 'CURFEW_OUTBOUND_TLS' || error.code === 'CURFEW_OUTBOUND_ADDRESS_FORBIDDEN')) return true
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && notConnected.has(String(at.code))) return true
    if (at instanceof AggregateError && at.errors.every(isUntouched)) return true
  }
  return false
}
