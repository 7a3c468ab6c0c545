import type { Clock } from './clock.ts'

/** What writes lines about problems. */
export interface ProblemLines {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What writes lines. */
export interface LogLines extends ProblemLines {
  info(fields: object, message: string): void
}

/** Lines of one kind that are written in {@link windowMs}: whoever sends requests without end fills no disk. */
export const linesMax = 100
export const windowMs = 60_000
/** Kinds that are counted apart; more share a count. */
export const kindsMax = 500

interface Kind {
  readonly event: string
  readonly code: string
  lines: number
}

/**
 * The same log with an end to what strangers make it write: warnings and errors of one event and code have so many lines
 * in a minute, and then one that says how many were left out. What is told at level `info` was done, by somebody who may.
 */
export function createBoundedLog(logger: LogLines, clock: Pick<Clock, 'after'>): LogLines {
  return { info: (fields, message) => logger.info(fields, message), ...boundProblems(logger, clock) }
}

/** The same where nothing is told but problems. */
export function boundProblems(logger: ProblemLines, clock: Pick<Clock, 'after'>): ProblemLines {
  const kinds = new Map<string, Kind>()
  const close = (key: string): void => {
    const kind = kinds.get(key)
    kinds.delete(key)
    if (kind === undefined || kind.lines <= linesMax) return
    const { event, code, lines } = kind
    const fields = { event: 'log.left-out', of: event, code, lines: lines - linesMax, seconds: windowMs / 1000 }
    logger.warn(fields, 'More lines of one kind came in a minute than are written: so many were left out')
  }
  const isWritten = (level: string, fields: object): boolean => {
    const [event, code] = [textOf(fields, 'event'), textOf(fields, 'code')]
    const own = `${level} ${event} ${code}`
    const isApart = kinds.has(own) || kinds.size < kindsMax
    const key = isApart ? own : 'others'
    let kind = kinds.get(key)
    if (kind === undefined) {
      kind = isApart ? { event, code, lines: 0 } : { event: 'others', code: '', lines: 0 }
      kinds.set(key, kind)
      clock.after(windowMs, () => close(key))
    }
    kind.lines += 1
    return kind.lines <= linesMax
  }
  return {
    warn(fields, message) {
      if (isWritten('warn', fields)) logger.warn(fields, message)
    },
    error(fields, message) {
      if (isWritten('error', fields)) logger.error(fields, message)
    }
  }
}

function textOf(fields: object, name: string): string {
  const value: unknown = Reflect.get(fields, name)
  return typeof value === 'string' ? value : ''
}
