import type { EndedView, LogoutRequestBody } from '../admin/schemas.ts'
import type { AdminClient } from './client.ts'
import type { CommandContext } from './context.ts'
import { createProgress } from './progress.ts'

/** Sessions that one call ends: few enough that a stop takes effect soon. */
const batchSize = 500

export interface BulkEnded extends EndedView {
  /** It was stopped, or came no further: sessions are left. */
  readonly isStopped: boolean
}

/**
 * Ends sessions call by call, until there are none left or somebody stops it. What has ended stays ended, with its
 * run in the store: running the same command again goes on where this one stopped.
 * @param options - how many sessions there were, for the progress; and what stops it after the call under way
 */
export async function endInBatches(
  context: CommandContext,
  client: Pick<AdminClient, 'logout'>,
  body: LogoutRequestBody,
  options: { readonly expected: number; readonly stop: AbortSignal }
): Promise<BulkEnded> {
  const all = { ended: [] as EndedView['ended'], already: [] as EndedView['already'], unknown: [] as EndedView['unknown'] }
  const unreached = new Set<string>()
  const { expected, stop } = options
  const progress = createProgress(context.terminal)
  try {
    for (;;) {
      const known = new Set(all.already.map(({ session }) => session))
      const part = (await client.logout({ ...body, max: batchSize })) as EndedView
      all.ended.push(...part.ended)
      all.already.push(...part.already)
      all.unknown.push(...part.unknown)
      for (const group of part.unreached ?? []) unreached.add(group)
      const isMore = part.more === true
      // Sessions that somebody else ended meanwhile are no reason to stop; what comes again and again and stays is.
      const isStuck = part.ended.length === 0 && part.already.every(({ session }) => known.has(session))
      if (!isMore || isStuck || stop.aborted) return { ...all, ...(unreached.size === 0 ? {} : { unreached: [...unreached] }), isStopped: isMore }
      progress.show(all.ended.length, Math.max(expected, all.ended.length), 'sessions ended')
    }
  } finally {
    progress.done()
  }
}
