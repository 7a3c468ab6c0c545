import type { IncomingMessage } from 'node:http'
import type { GatewayContext } from './context.ts'
import type { Place } from './route/applications.ts'
import { liesBelow } from './route/request-path.ts'
import type { Status } from './session/session-status.ts'
import { verdictOf } from './session/verdict.ts'
import type { OpenedSession } from './session/web-session.ts'

/** What becomes of a request. */
export type Decision =
  /** `opened` is absent on a path that needs no session. */
  | { readonly kind: 'pass'; readonly opened: OpenedSession | undefined }
  /** There is no session, or it has ended. */
  | { readonly kind: 'sign-in'; readonly isRevoked: boolean }
  /** There is one, and nothing young enough is known of it. */
  | { readonly kind: 'unchecked' }

/**
 * Decides about one request by its cookie; at once when what is known is enough.
 * @throws CURFEW_GATEWAY_COOKIE_AMBIGUOUS
 */
export function decide(ctx: GatewayContext, place: Place, path: string, request: IncomingMessage): Decision | Promise<Decision> {
  const { application, host } = place
  const needsNone = application.anonymous.some((root) => liesBelow(path, root))
  const opened = ctx.cookies.read(application.webSession, request.headers.cookie, host, ctx.clock.nowMs())
  if (opened === undefined) return needsNone ? { kind: 'pass', opened: undefined } : { kind: 'sign-in', isRevoked: false }
  const verdict = ctx.endedSubjects.isEnded(opened.session) ? 'revoked' : verdictOf(ctx, opened)
  return typeof verdict === 'string' ? decisionOf(verdict, opened, needsNone) : verdict.then((status) => decisionOf(status, opened, needsNone))
}

function decisionOf(status: Status, opened: OpenedSession, needsNone: boolean): Decision {
  switch (status) {
    case 'live':
      return { kind: 'pass', opened }
    case 'revoked':
      return needsNone ? { kind: 'pass', opened: undefined } : { kind: 'sign-in', isRevoked: true }
    case 'unknown':
      return needsNone ? { kind: 'pass', opened: undefined } : { kind: 'unchecked' }
  }
}
