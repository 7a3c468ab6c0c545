import { storeError } from '../store-error.ts'
import { type Answer, type Command, isSignOn, type Request } from './command.ts'
import type { Database } from './driver.ts'
import { toPlainError } from './plain-error.ts'
import type { Reserve } from './reserve.ts'
import { isDiskFull, toStoreError } from './sqlite-error.ts'
import type { Tally } from './tally.ts'

/**
 * Values kept between requests (`txCreate`) while the reserve is given up. Logouts need some; sign-in pages make one
 * each as well and must not use the room up. At 400 bytes each they take a quarter of it.
 */
const txWhenFullMax = 10_000

export interface GroupCommitParts {
  readonly db: Database
  readonly file: string
  readonly tally: Tally
  readonly reserve: Reserve
  readonly carryOut: (command: Command) => unknown
}

/**
 * Returns a function that carries out a group of commands in one transaction and answers each of them after the
 * commit. A command that fails is undone alone. On a full disk the reserve is given up and only what is needed to end
 * sessions is written, until the reserve can be filled again.
 */
export function openGroupCommit(parts: GroupCommitParts): (requests: readonly Request[]) => readonly Answer[] {
  const { reserve, file } = parts
  let txWhenFull = 0

  const isRefused = ({ command }: Request): boolean => {
    if (command.name === 'txCreate') txWhenFull += 1
    return isSignOn(command.name) || (command.name === 'txCreate' && txWhenFull > txWhenFullMax)
  }

  const refuse = ({ number }: Request, error: unknown): Answer => ({
    number,
    error: toPlainError(toStoreError(error, file))
  })

  const refuseAll = (requests: readonly Request[], error: unknown): readonly Answer[] => requests.map((request) => refuse(request, error))

  const commitWhenFull = (requests: readonly Request[]): readonly Answer[] => {
    const full = storeError('CURFEW_STORE_DISK_FULL', { file })
    const { refused: late = [], needed = [] } = Object.groupBy(requests, (request) => (isRefused(request) ? 'refused' : 'needed'))
    const refused = refuseAll(late, full)
    if (needed.length === 0) return refused
    try {
      return [...refused, ...transaction(parts, needed)]
    } catch (error) {
      return [...refused, ...refuseAll(needed, error)]
    }
  }

  return (requests) => {
    if (!reserve.held() && !reserve.refill()) return commitWhenFull(requests)
    try {
      return transaction(parts, requests)
    } catch (error) {
      if (!isDiskFull(error)) return refuseAll(requests, error)
      reserve.release()
      txWhenFull = 0
      return commitWhenFull(requests)
    }
  }
}

/** One transaction without savepoints; should a command fail, the same once more with one around each. */
function transaction(parts: GroupCommitParts, requests: readonly Request[]): readonly Answer[] {
  let isCommandFailed = false
  const carryOut = ({ number, command }: Request): Answer => {
    try {
      return { number, value: parts.carryOut(command) }
    } catch (error) {
      isCommandFailed = true
      throw error
    }
  }
  try {
    return attempt(parts, () => requests.map(carryOut))
  } catch (error) {
    if (!isCommandFailed || isDiskFull(error)) throw error
    return attempt(parts, () => requests.map((request) => apart(parts, request)))
  }
}

function attempt(parts: GroupCommitParts, work: () => readonly Answer[]): readonly Answer[] {
  const { db, tally } = parts
  db.exec('BEGIN IMMEDIATE')
  try {
    const answers = work()
    tally.save()
    db.exec('COMMIT')
    return answers
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    tally.load()
    throw error
  }
}

function apart({ db, tally, file, carryOut }: GroupCommitParts, { number, command }: Request): Answer {
  const { liveSessions } = tally
  db.exec('SAVEPOINT command')
  try {
    const value = carryOut(command)
    db.exec('RELEASE command')
    return { number, value }
  } catch (error) {
    if (isDiskFull(error) || !db.isTransaction) throw error
    db.exec('ROLLBACK TO command; RELEASE command')
    tally.liveSessions = liveSessions
    return { number, error: toPlainError(toStoreError(error, file)) }
  }
}
