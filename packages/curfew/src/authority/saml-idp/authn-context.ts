import type { RequestedAuthnContext } from '@curfew/codecs'
import { passwordContext } from '../sign-on/sign-in.ts'
import type { SignOnTransaction } from '../sign-on/transaction.ts'

const classes = 'urn:oasis:names:tc:SAML:2.0:ac:classes:'
/** Asked for, it leaves the way to sign in to this server. */
const unspecifiedContext = `${classes}unspecified`
/** What a password over a protected transport is better than. Of other classes no order is known here. */
const weakerThanPassword: ReadonlySet<string> = new Set([unspecifiedContext, `${classes}Password`])

/**
 * Whether a sign-in of one class is what a partner asked for. `exact`, and every comparison with a class whose order is
 * not known: it is one of the classes named.
 * @see saml-core-2.0-os section 3.3.2.2.1
 */
export function fitsContext(wanted: RequestedAuthnContext | undefined, actual: string): boolean {
  if (wanted === undefined || wanted.classRefs.length === 0) return true
  const { classRefs, comparison } = wanted
  const isNamed = classRefs.includes(actual) || classRefs.includes(unspecifiedContext)
  switch (comparison) {
    case 'exact':
      return isNamed
    case 'minimum':
      return isNamed || classRefs.some((ref) => isWeaker(ref, actual))
    case 'maximum':
      return isNamed || classRefs.some((ref) => isWeaker(actual, ref))
    case 'better':
      return classRefs.every((ref) => isWeaker(ref, actual))
  }
}

function isWeaker(one: string, other: string): boolean {
  return other === passwordContext && weakerThanPassword.has(one)
}

/**
 * What an identity provider is told of where the sign-in goes there: classes that would do by themselves. It has to meet
 * them only where nothing else would do, too.
 */
export function wishedOfProvider(wanted: RequestedAuthnContext | undefined): Pick<SignOnTransaction, 'acrValues' | 'mustMeetAcr'> {
  if (wanted === undefined || wanted.comparison === 'better') return {}
  const refs = wanted.classRefs.filter((ref) => ref !== unspecifiedContext && !/\s/.test(ref))
  if (refs.length === 0) return {}
  return { acrValues: refs.join(' '), mustMeetAcr: wanted.comparison === 'exact' && refs.length === wanted.classRefs.length }
}
