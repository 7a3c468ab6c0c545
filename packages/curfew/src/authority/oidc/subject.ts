import { createHmac } from 'node:crypto'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from './client.ts'

type SubjectDeps = Pick<AuthorityContext, 'secrets'>

/** What one client calls the user of a session; the same for all time (OpenID Core section 8). */
export function subjectOf(deps: SubjectDeps, client: Pick<OidcClient, 'clientId' | 'subject'>, session: Pick<Session, 'userKey' | 'username'>): string {
  switch (client.subject) {
    case 'username':
      return session.username
    case 'public':
      return keyed(deps, `public\0${session.userKey}`)
    case 'pairwise':
      return keyed(deps, `pairwise\0${client.clientId}\0${session.userKey}`)
  }
}

function keyed(deps: SubjectDeps, text: string): string {
  return createHmac('sha256', deps.secrets.nameId).update(`oidc\0${text}`).digest('base64url')
}
