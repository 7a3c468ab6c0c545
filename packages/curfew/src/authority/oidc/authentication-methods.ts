import type { Session } from '../../core/session.ts'
import { passwordContext } from '../sign-on/sign-in.ts'

/** How the user proved who it is, where that is known (RFC 8176). */
export function amrOf({ authnContext }: Pick<Session, 'authnContext'>): { readonly amr?: string[] } {
  return authnContext === passwordContext ? { amr: ['pwd'] } : {}
}
