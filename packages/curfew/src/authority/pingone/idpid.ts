import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'

type IdpidDeps = Pick<AuthorityContext, 'pingOne'>

/** The value that sessions of one authentication source carry. */
export function idpidOf({ pingOne }: IdpidDeps, sourceId: string): string {
  return pingOne.idpids.get(sourceId) ?? sourceId
}

/** True when `idpid` does not exclude this session; without the parameter no session is excluded. */
export function carriesIdpid(deps: IdpidDeps, session: Pick<Session, 'sourceId'>, idpid: string | undefined): boolean {
  return idpid === undefined || idpidOf(deps, session.sourceId) === idpid
}
