import { canonicalName } from './user-directory.ts'

/** What a new password has to be. Length beats rules about kinds of characters, so there are none. */
export interface PasswordPolicy {
  /** Least number of characters. */
  readonly lengthMin: number
}

/** Longer input is refused before hashing: a hash of megabytes would be work for free. */
export const passwordBytesMax = 1024
/** A user name of fewer characters than this may stand inside a password. */
const nameLengthMin = 3

export type PolicyProblem = 'different' | 'short' | 'long' | 'same' | 'name'

/** Why a new password is not taken; undefined: it is. */
export function policyProblem(
  policy: PasswordPolicy,
  wish: { readonly username: string; readonly current?: string; readonly password: string; readonly repeated: string }
): PolicyProblem | undefined {
  const { username, current, password, repeated } = wish
  if (password !== repeated) return 'different'
  if ([...password].length < policy.lengthMin) return 'short'
  if (Buffer.byteLength(password) > passwordBytesMax) return 'long'
  if (password === current) return 'same'
  const name = canonicalName(username)
  return name.length >= nameLengthMin && canonicalName(password).includes(name) ? 'name' : undefined
}
