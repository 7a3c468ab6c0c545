import { readFileSync, statSync } from 'node:fs'
import { CurfewError } from '@curfew/codecs'
import { type RunView, runView } from '../admin/schemas.ts'

/** A run with as many applications and attempts as there may be is far below. */
export const runFileBytesMax = 16 * 1024 * 1024

/**
 * Reads a run as `curfew runs export` wrote it.
 * @throws CURFEW_CLI_RUN_FILE when it is none; what the system says when it can not be read
 */
export function readRunFile(path: string): RunView {
  if (path !== '-' && statSync(path).size > runFileBytesMax) throw notRun(path, `it is larger than ${runFileBytesMax / 1024 / 1024} MB`)
  const text = readFileSync(path === '-' ? 0 : path, 'utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw notRun(path, 'it is no JSON')
  }
  const result = runView.safeParse(value)
  if (result.success) return harmless(result.data)
  const [issue] = result.error.issues
  throw notRun(path, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`.replace(/^: /, ''))
}

function notRun(path: string, why: string): CurfewError {
  return new CurfewError('CURFEW_CLI_RUN_FILE', { path, why })
}

/** Whoever wrote the file may want to steer the terminal of its reader: control characters become question marks. */
function harmless<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_, part: unknown) => (typeof part === 'string' ? part.replaceAll(/\p{Cc}/gu, '?') : part)) as T
}

/** The last thing that the file knows of. How long an open run lasted is counted to here, not to now. */
export function lastInstantOf({ startedAtMs, finishedAtMs, deliveries }: RunView): number {
  if (finishedAtMs !== undefined) return finishedAtMs
  const known = deliveries.flatMap(({ attempts, finalAtMs }) => [finalAtMs, ...attempts.flatMap((attempt) => [attempt.startedAtMs, attempt.endedAtMs])])
  return Math.max(startedAtMs, ...known.filter((atMs) => atMs !== undefined))
}
