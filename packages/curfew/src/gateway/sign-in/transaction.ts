import { type OwnAddress, ownAddress } from '../route/own-address.ts'
import { cookieNames, cookieValues } from '../session/cookies.ts'
import type { Sealer } from '../session/sealer.ts'

/** A sign-in under way, in a cookie of the browser that began it. */
export interface Transaction {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  /** Where the browser goes back to. */
  readonly target: OwnAddress
  readonly origin: string
  readonly applicationId: string
  /** Name of the request that waits for it. */
  readonly preserved?: string
  readonly startedAtMs: number
}

/** The same as it stands in the cookie: the target is a path there. */
type SealedTransaction = Omit<Transaction, 'target'> & { readonly target: string }

function sealedOf(transaction: Transaction): SealedTransaction {
  return { ...transaction, target: transaction.target.slice(transaction.origin.length) }
}

/** How long a sign-in may take, as in the replaced product. */
export const transactionMsMax = 5 * 60_000
/** Sign-ins of one browser at once, one per tab; the oldest give way. */
const transactionsMax = 6
/** Names of these cookies begin so; the state that the provider brings back ends them. */
export const transactionPrefix = 'PA.nonce.'

function nameOf(state: string): string {
  return transactionPrefix + state.slice(0, 12)
}

/** `Set-Cookie` of a new sign-in, and of those that give way to it. */
export function transactionCookies(sealer: Sealer, transaction: Transaction, cookieHeader: string | undefined, isSecure: boolean): readonly string[] {
  const secure = isSecure ? '; Secure' : ''
  const fresh = `${nameOf(transaction.state)}=${sealer.seal(JSON.stringify(sealedOf(transaction)), transaction.startedAtMs)}; Path=/; Max-Age=${transactionMsMax / 1000}; HttpOnly; SameSite=Lax${secure}`
  const others = [...new Set(cookieNames(cookieHeader, transactionPrefix))]
  const tooMany = others.slice(0, Math.max(0, others.length - transactionsMax + 1))
  return [fresh, ...tooMany.map((name) => cleared(name, isSecure))]
}

export function clearedTransaction(state: string, isSecure: boolean): string {
  return cleared(nameOf(state), isSecure)
}

function cleared(name: string, isSecure: boolean): string {
  return `${name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
}

/** The sign-in that a state belongs to, if this browser began it here and not long ago. */
export function readTransaction(sealer: Sealer, cookieHeader: string | undefined, state: string, origin: string, nowMs: number): Transaction | undefined {
  const [value, ...more] = cookieValues(cookieHeader, nameOf(state))
  const text = value === undefined || more.length > 0 ? undefined : sealer.open(value, nowMs)
  if (text === undefined) return undefined
  const sealed = JSON.parse(text) as SealedTransaction
  const isGood = sealed.state === state && sealed.origin === origin && nowMs - sealed.startedAtMs < transactionMsMax
  const target = isGood ? ownAddress(sealed, sealed.target) : undefined
  return target === undefined ? undefined : { ...sealed, target }
}
