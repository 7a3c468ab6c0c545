import { CurfewError } from '@curfew/codecs'
import type { AuthorityContext } from './context.ts'

export type LogoutAnswerDeps = Pick<AuthorityContext, 'csrf' | 'ids' | 'clock' | 'store' | 'transactionMs'>

/**
 * Values of the forms that ask whether to sign out. Each page has one of its own, so that two of them can be open and a
 * page that is loaded again is no trouble; the first answer uses it up, and after some time it is worth nothing.
 */
export interface LogoutAnswers {
  /** @param binding - what only this browser has */
  value(binding: string): string
  /**
   * Uses a value up. `again`: it was, or its time is over, and the person has to be asked anew.
   * @throws CURFEW_SESSION_FORM_FOREIGN when it was not made here for this browser
   */
  take(binding: string, value: string | undefined): Promise<'first' | 'again'>
}

const shape = /^([\w-]{22}\.[0-9a-z]{8,11})\.([\w-]{43})$/

export function createLogoutAnswers({ csrf, ids, clock, store, transactionMs }: LogoutAnswerDeps): LogoutAnswers {
  return {
    value(binding) {
      const once = `${ids.cookie()}.${(clock.nowMs() + transactionMs).toString(36)}`
      return `${once}.${csrf.token(boundTo(binding, once))}`
    },
    async take(binding, value) {
      const [, once, token] = shape.exec(value ?? '') ?? []
      if (once === undefined || !csrf.check(boundTo(binding, once), token)) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
      const nowMs = clock.nowMs()
      const untilMs = Number.parseInt(once.split('.')[1] ?? '', 36)
      if (nowMs >= untilMs) return 'again'
      return (await store.replaySeen('logout answer', once, untilMs, nowMs)).value === 'fresh' ? 'first' : 'again'
    }
  }
}

/** No other form of the same browser has a value that would do. */
function boundTo(binding: string, once: string): string {
  return `logout answer\0${binding}\0${once}`
}
