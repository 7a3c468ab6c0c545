import { isCurfewError } from '@curfew/codecs'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import type { Group } from '../core/group.ts'
import type { Timer } from '../platform/clock.ts'
import { type Announcement, announceOwn, announcement, forgetOther, noteOther, type AnnouncementDeps } from './announcement.ts'
import { callName, type CallHandler, type CallOptions, missedHellosMax, type ServeOptions } from './call.ts'
import { groupError } from './group-error.ts'
import { createLinkClient, type LinkClientDeps } from './link-client.ts'
import type { LinkHealth } from './link-health.ts'
import { createLinkServer, type LinkServerDeps, type Served } from './link-server.ts'

/** The groups of one authority, as one of them sees the others. */
export interface GroupLinks {
  readonly self: Group
  /** Without the own one. */
  readonly others: readonly Group[]
  /**
   * Asks another group.
   * @param group - its id
   * @throws CURFEW_GROUP_UNKNOWN, CURFEW_GROUP_UNREACHABLE, CURFEW_GROUP_ANSWER, CURFEW_GROUP_CALL_TOO_LARGE,
   *   CURFEW_GROUP_CALL_REFUSED, CURFEW_GROUP_CALL_FAILED, and codes of the handler there
   */
  call<Answer>(group: string, name: string, body: unknown, options: CallOptions<Answer>): Promise<Answer>
  /** Answers one kind of call from now on. Names are those of {@link callName}; each is served once. */
  serve<Body>(name: string, schema: z.ZodType<Body>, handler: CallHandler<Body>, options?: ServeOptions): void
  health(): readonly LinkHealth[]
  /** Makes room for another store under the id of a group that lost its own for good. @throws CURFEW_GROUP_UNKNOWN */
  forget(group: string): Promise<boolean>
  /** What listens to other groups; listening is the caller's. */
  readonly listener: FastifyInstance
  /**
   * Announces this group in its store and to the others, and watches them from then on. A group that is away is asked
   * again; one that contradicts stops the start.
   * @throws CURFEW_GROUP_ANNOUNCED
   */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface GroupLinksDeps extends LinkClientDeps, AnnouncementDeps {
  readonly others: readonly Group[]
  readonly store: AnnouncementDeps['store'] & LinkServerDeps['store']
  readonly random: LinkClientDeps['random']
  readonly logger: LinkServerDeps['logger'] & { info(fields: object, message: string): void }
  readonly metrics: LinkMetrics
}

/** What is counted of the links. */
export interface LinkMetrics {
  called(call: { readonly group: string; readonly name: string; readonly result: 'answered' | 'failed'; readonly durationMs: number }): void
  served(call: { readonly group: string; readonly name: string; readonly result: 'answered' | 'refused' | 'failed' }): void
  isUp(group: string, up: boolean): void
}

const helloName = 'group.hello'
/** How often the others are asked how they are, and how long they may take. */
const helloEveryMs = 2_000
const helloMs = 1_500

export function createGroupLinks(deps: GroupLinksDeps): GroupLinks {
  const { self, others, clock, logger, metrics } = deps
  const served = new Map<string, Served>()
  const client = createLinkClient(deps)
  const healths = new Map<string, LinkHealth>(others.map(({ id, letter }) => [id, { group: id, letter, state: 'unknown', sinceMs: clock.nowMs() }]))
  /** Of each group how often in a row it did not say how it is, and the calls that are given up for that. */
  const missed = new Map<string, number>()
  const waiting = new Map<string, Set<AbortController>>(others.map(({ id }) => [id, new Set()]))
  let announced: Announcement | undefined
  let timer: Timer | undefined
  let round: Promise<unknown> | undefined
  let isRunning = false

  const call: GroupLinks['call'] = async (id, name, body, options) => {
    const group = requireOther(others, id)
    const startedMs = clock.nowMs()
    const count = (result: 'answered' | 'failed'): void => metrics.called({ group: id, name, result, durationMs: clock.nowMs() - startedMs })
    try {
      const answer = await (options.givesUpWhenSilent === true ? askWhileHeard(group, name, body, options) : client.ask(group, name, body, options))
      count('answered')
      return answer
    } catch (error) {
      count('failed')
      throw error
    }
  }
  const askWhileHeard: typeof client.ask = async (group, name, body, options) => {
    const control = new AbortController()
    waiting.get(group.id)?.add(control)
    try {
      return await client.ask(group, name, body, { ...options, signal: control.signal })
    } catch (error) {
      if (!control.signal.aborted) throw error
      throw groupError('CURFEW_GROUP_UNREACHABLE', { group: group.id, call: name, why: 'it fell silent, and may have done it all the same' }, error)
    } finally {
      waiting.get(group.id)?.delete(control)
    }
  }
  const serve: GroupLinks['serve'] = (name, schema, handler, options = {}) => {
    if (!callName.test(name) || served.has(name)) throw new TypeError(`${name} can not be served, or is served already`)
    served.set(name, { schema, handler: handler as CallHandler<never>, options })
  }
  const listener = createLinkServer({
    ...deps,
    callers: [self, ...others],
    served: (name) => served.get(name),
    onCall: (one) => metrics.served(one)
  })
  serve(
    helloName,
    announcement,
    async (said, { group }) => {
      if (announced === undefined) throw groupError('CURFEW_GROUP_UNREACHABLE', { group: self.id, why: 'starting' })
      await noteOther(deps, announced, group, said)
      return announced
    },
    { isRead: true }
  )

  /** Another node of the own group answers with the same store, or is no node of this group. */
  const greet = async (group: Group, said: Announcement): Promise<void> => {
    const answer = await client.ask(group, helloName, said, { answer: announcement, timeoutMs: helloMs })
    await noteOther(deps, said, group, answer)
  }
  const look = async (group: Group, said: Announcement): Promise<unknown> => {
    const startedMs = clock.nowMs()
    try {
      await greet(group, said)
      note(group, { state: 'up', lastAnswerAtMs: clock.nowMs(), roundTripMs: clock.nowMs() - startedMs })
      return undefined
    } catch (error) {
      note(group, { state: isConflict(error) ? 'conflict' : 'down', ...reasonOf(error) })
      return error
    }
  }
  const note = ({ id, letter }: Group, next: Pick<LinkHealth, 'state'> & Partial<LinkHealth>): void => {
    missed.set(id, next.state === 'down' ? (missed.get(id) ?? 0) + 1 : 0)
    if ((missed.get(id) ?? 0) >= missedHellosMax) for (const control of waiting.get(id) ?? []) control.abort()
    const before = healths.get(id)
    const isSame = before?.state === next.state
    const lastAnswerAtMs = next.lastAnswerAtMs ?? before?.lastAnswerAtMs
    healths.set(id, {
      ...next,
      group: id,
      letter,
      sinceMs: isSame ? before.sinceMs : clock.nowMs(),
      ...(lastAnswerAtMs === undefined ? {} : { lastAnswerAtMs })
    })
    metrics.isUp(id, next.state === 'up')
    if (isSame) return
    if (next.state === 'up') logger.info({ event: 'group.up', group: id }, `Group ${id} answers`)
    else logger.warn({ event: `group.${next.state}`, group: id, code: next.code, why: next.why }, `Group ${id} does not answer as it should`)
  }
  const lookAround = async (said: Announcement): Promise<readonly unknown[]> => Promise.all(others.map((group) => look(group, said)))
  const schedule = (said: Announcement): void => {
    if (!isRunning) return
    timer = clock.after(helloEveryMs, () => {
      round = lookAround(said).finally(() => schedule(said))
    })
  }
  return {
    self,
    others,
    call,
    serve,
    listener,
    health: () => [...healths.values()],
    forget: async (id) => forgetOther(deps, requireOther(others, id).id),
    async start() {
      const said = await announceOwn(deps, self)
      announced = said
      // Its own addresses are asked, too: behind them may be another store that was given this id.
      const [found, own] = await Promise.all([
        lookAround(said),
        Promise.all(self.links.map((link) => greet({ ...self, links: [link] }, said).catch((error: unknown) => error)))
      ])
      const conflict = [...found, ...own].find(isConflict)
      if (conflict !== undefined) throw conflict
      isRunning = true
      schedule(said)
    },
    async stop() {
      isRunning = false
      timer?.cancel()
      await round
    }
  }
}

function requireOther(others: readonly Group[], id: string): Group {
  const group = others.find((other) => other.id === id)
  if (group === undefined) throw groupError('CURFEW_GROUP_UNKNOWN', { group: id })
  return group
}

function isConflict(error: unknown): boolean {
  return isCurfewError(error) && error.code === 'CURFEW_GROUP_ANNOUNCED'
}

function reasonOf(error: unknown): Pick<LinkHealth, 'code' | 'why'> {
  if (!isCurfewError(error)) return { code: 'CURFEW_GROUP_CALL_FAILED' }
  const { why } = error.context
  return { code: error.code, ...(typeof why === 'string' ? { why } : {}) }
}
