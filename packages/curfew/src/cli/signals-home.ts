import { z } from 'zod'
import type { Signals, SignalsHome, StreamOverview } from '../authority/shared-signals/signals.ts'
import type { GroupLinks } from '../cluster/group-links.ts'
import type { LogoutRun } from '../core/run.ts'
import type { Session } from '../core/session.ts'

/** A value of a group of the same authority: it made it, we look that it is one. */
function made<T>(...fields: readonly string[]): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'object' && value !== null && fields.every((field) => field in value))
}

const connection = z.string().max(256)
const endedBody = z.strictObject({ run: made<LogoutRun>('id', 'sessionId', 'reason'), session: made<Session>('id', 'userKey') })
const statusBody = z.strictObject({ connection, status: z.enum(['enabled', 'paused', 'disabled']), reason: z.string().max(200).optional() })
const overview = made<StreamOverview>('id', 'connection', 'status')
const done = z.strictObject({ isDone: z.boolean() })
const read = { isRead: true } as const

/** Lets the other groups work with the streams of shared signals that this one keeps for all. */
export function serveSignals(links: Pick<GroupLinks, 'serve'>, signals: Signals): void {
  links.serve('signals.ended', endedBody, async ({ run, session }) => {
    await signals.endedElsewhere(run, session)
    return { isDone: true }
  })
  links.serve('signals.list', z.strictObject({}), () => signals.list(), read)
  links.serve('signals.status', statusBody, async (body) => (await signals.setStatus(body.connection, body.status, body.reason)) ?? null)
  links.serve('signals.verify', z.strictObject({ connection }), async (body) => ({ isDone: await signals.verify(body.connection) }))
}

/** The streams that another group keeps. Every call throws what {@link GroupLinks.call} throws. */
export function signalsAt(links: Pick<GroupLinks, 'call'>, home: string): SignalsHome {
  return {
    async ended(run, session) {
      await links.call(home, 'signals.ended', { run, session }, { answer: done })
    },
    list: () => links.call(home, 'signals.list', {}, { answer: z.array(overview) }),
    setStatus: async (connection, status, reason) =>
      (await links.call(home, 'signals.status', { connection, status, ...(reason === undefined ? {} : { reason }) }, { answer: overview.nullable() })) ??
      undefined,
    verify: async (connection) => (await links.call(home, 'signals.verify', { connection }, { answer: done })).isDone
  }
}
