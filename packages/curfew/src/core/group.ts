/** One character that every identifier made in a group carries: `a` to `z` and `0` to `9`. */
export type GroupLetter = string

/** In the order in which groups get them when they choose none. */
export const groupLetters = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Nodes sharing one store: a region, or a subcluster. */
export interface Group {
  /** As people write and read it: letters and digits, 1 to 36. */
  readonly id: string
  readonly letter: GroupLetter
  /** Where its nodes take calls of other groups; any of them serves. */
  readonly links: readonly string[]
}

/** What stands in front of the letter in identifiers that have a prefix. */
const prefixes = /^(ses_|run_|_)/

/**
 * The letter of the group that made an identifier: a session, a run, a SAML message, a cookie, the random part of a resume
 * path, a code or token. It says where to look and nothing else: whoever makes one up is sent to a group that does not
 * know it either.
 */
export function groupOf(id: string): GroupLetter | undefined {
  const [letter] = id.replace(prefixes, '')
  return letter !== undefined && groupLetters.includes(letter) ? letter : undefined
}
