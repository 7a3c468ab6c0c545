import { setTimeout } from 'node:timers/promises'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { Clock } from '../platform/clock.ts'
import { ApiProblem } from './api-problem.ts'
import type { AdminClient, ToldEvent } from './client.ts'

export interface FollowDeps {
  readonly client: Pick<AdminClient, 'server' | 'events'>
  readonly clock: Clock
  /** Somebody wants it to end. */
  readonly stop: AbortSignal
  /** A line for the person, about the server. */
  readonly note: (line: string) => void
}

export interface FollowOptions {
  /** What is asked for, without where to go on. */
  readonly query: Readonly<Record<string, string | undefined>>
  /** False: it ends when the server has told what there is. */
  readonly isEndless: boolean
}

/** A server that says nothing for so long is gone: it says where it stands every ten seconds. */
export const silenceMsMax = 35_000
const againMsMin = 500
const againMsMax = 10_000
/** How long a server that went away is waited for. */
const awayMsMax = 300_000

/**
 * What happens at a server, each message given to `print`. Where the server goes away, or says nothing any more, it is
 * asked again for what came behind the last message.
 * @throws CURFEW_CLI_SERVER_UNREACHABLE and what else the server answers, when it has told nothing yet or stays away
 */
export async function followEvents(deps: FollowDeps, { query, isEndless }: FollowOptions, print: (told: ToldEvent) => void | Promise<void>): Promise<void> {
  const { clock, stop, note } = deps
  let after: string | undefined
  let awaySinceMs: number | undefined
  let againMs = againMsMin
  while (!stop.aborted) {
    try {
      for await (const told of heard(deps, { ...query, after })) {
        if (awaySinceMs !== undefined) note('The server is back.')
        awaySinceMs = undefined
        againMs = againMsMin
        after = told.position
        await print(told)
      }
      if (!isEndless || stop.aborted) return
    } catch (error) {
      const isOver = awaySinceMs !== undefined && clock.nowMs() - awaySinceMs > awayMsMax
      if (after === undefined || isOver || !mayPass(error)) throw error
    }
    if (awaySinceMs === undefined) note('The server does not answer. It is asked again; what happens meanwhile comes then.')
    awaySinceMs ??= clock.nowMs()
    await setTimeout(againMs, undefined, { signal: stop }).catch(() => undefined)
    againMs = Math.min(againMsMax, 2 * againMs)
  }
}

/** The messages of one connection. Only the server is timed: whoever reads may take as long as it likes. */
async function* heard({ client, clock, stop }: FollowDeps, asked: Readonly<Record<string, string | undefined>>): AsyncGenerator<ToldEvent> {
  const silence = new AbortController()
  const listen = (): ReturnType<Clock['after']> => clock.after(silenceMsMax, () => silence.abort())
  let timer = listen()
  const silent = (cause?: unknown): CurfewError =>
    new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { server: client.server, why: `it said nothing for ${silenceMsMax / 1_000} seconds` }, { cause })
  try {
    for await (const told of client.events(asked, AbortSignal.any([stop, silence.signal]))) {
      timer.cancel()
      yield told
      timer = listen()
    }
  } catch (error) {
    if (stop.aborted) return
    throw silence.signal.aborted ? silent(error) : error
  } finally {
    timer.cancel()
  }
  // A question that was given up looks like an answer that is complete.
  if (silence.signal.aborted && !stop.aborted) throw silent()
}

/** A server that starts, stops or can not reach its store may be fine in a moment. */
function mayPass(error: unknown): boolean {
  if (error instanceof ApiProblem) return error.problem.status >= 500
  return isCurfewError(error) && ['CURFEW_CLI_SERVER_UNREACHABLE', 'CURFEW_CLI_SERVER_FOREIGN'].includes(error.code)
}
