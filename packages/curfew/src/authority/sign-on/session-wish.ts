import type { AuthorityContext } from '../context.ts'
import type { Parameters } from '../request.ts'
import type { FormParts } from './form-page.ts'
import { policyFor } from './session-limits.ts'
import type { SessionWish } from './sign-in.ts'

type WishDeps = Pick<AuthorityContext, 'sessions' | 'signOn'>

/** What the sign-in form asks about the device. */
export function deviceQuestion({ sessions, signOn }: WishDeps): FormParts['deviceQuestion'] {
  if (signOn.asksDevice) return 'device'
  return policyFor(sessions, signOn.sourceId).persistent ? 'persistent' : 'none'
}

/** What the form says of the device. A box that was left empty says that it belongs to many. */
export function sessionWishOf({ signOn }: WishDeps, form: Parameters): SessionWish {
  const isPrivate = form['device'] === 'private'
  return signOn.asksDevice ? { device: isPrivate ? 'private' : 'shared', persistent: isPrivate } : { persistent: form['persistent'] === 'yes' }
}
