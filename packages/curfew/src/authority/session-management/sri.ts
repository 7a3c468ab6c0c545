import { CurfewError } from '@curfew/codecs'
import type { SessionId } from '../../core/ids.ts'
import { type AuthorityContext, ownPartner } from '../context.ts'

/**
 * The session that an SRI was made for. Its seal tells at once what was never one of ours.
 * @throws CURFEW_SESSION_SRI_MALFORMED (400)
 */
export function sessionOfSri(ctx: Pick<AuthorityContext, 'locator'>, sri: string | undefined): SessionId {
  const sessionId = sri === undefined ? undefined : ctx.locator.open(ownPartner, sri)
  if (sessionId === undefined) throw new CurfewError('CURFEW_SESSION_SRI_MALFORMED', {})
  return sessionId
}
