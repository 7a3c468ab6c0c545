import type { IncomingMessage } from 'node:http'
import type { GatewayContext } from './context.ts'
import type { Place } from './route/applications.ts'
import { liesBelow, type RequestPath } from './route/request-path.ts'
import type { Status } from './session/session-status.ts'
import { isKnownEnded, verdictOf } from './session/verdict.ts'
import type { ApplicationSettings } from './settings.ts'
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
export function decide(ctx: GatewayContext, place: Place, path: RequestPath, request: IncomingMessage): Decision | Promise<Decision> {
  const decision = judge(ctx, place, path, request)
  return decision instanceof Promise ? decision.then((later) => withUser(ctx, place, path, later)) : withUser(ctx, place, path, decision)
}

/** What passes has claims of its user that are young enough. */
function withUser(ctx: GatewayContext, { application }: Place, path: RequestPath, decision: Decision): Decision | Promise<Decision> {
  if (decision.kind !== 'pass' || decision.opened === undefined) return decision
  const { opened } = decision
  const fresh = ctx.userRefresh.of(application.webSession, opened)
  if (fresh === opened) return decision
  if (!(fresh instanceof Promise)) return { kind: 'pass', opened: fresh }
  return fresh.then((later) => {
    // It may have been revoked while the provider was asked.
    return isKnownEnded(ctx, later) ? decisionOf('revoked', later, needsNone(application, path)) : { kind: 'pass', opened: later }
  })
}

function judge(ctx: GatewayContext, place: Place, path: RequestPath, request: IncomingMessage): Decision | Promise<Decision> {
  const { application, host } = place
  const isAnonymous = needsNone(application, path)
  const opened = ctx.cookies.read(application.webSession, request.headers.cookie, host, ctx.clock.nowMs(), (one) => isKnownEnded(ctx, one))
  if (opened === undefined) return isAnonymous ? { kind: 'pass', opened: undefined } : { kind: 'sign-in', isRevoked: false }
  const verdict = verdictOf(ctx, opened)
  return typeof verdict === 'string' ? decisionOf(verdict, opened, isAnonymous) : verdict.then((status) => decisionOf(status, opened, isAnonymous))
}

/** Open is what every reader takes for open. */
function needsNone({ anonymous }: ApplicationSettings, { literal }: RequestPath): boolean {
  return anonymous.some((root) => liesBelow(literal, root))
}

function decisionOf(status: Status, opened: OpenedSession, isAnonymous: boolean): Decision {
  switch (status) {
    case 'live':
      return { kind: 'pass', opened }
    case 'revoked':
      return isAnonymous ? { kind: 'pass', opened: undefined } : { kind: 'sign-in', isRevoked: true }
    case 'unknown':
      return isAnonymous ? { kind: 'pass', opened: undefined } : { kind: 'unchecked' }
  }
}
