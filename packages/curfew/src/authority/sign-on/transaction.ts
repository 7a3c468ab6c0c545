import type { Clock } from '../../platform/clock.ts'
import type { Ids } from '../../platform/ids.ts'
import type { Store } from '../../stores/store.ts'
import type { SessionWish } from './sign-in.ts'

/** A sign-in in progress: what waits for it. Kept in the store, so any node shows the form and any node goes on. */
export interface SignOnTransaction {
  readonly purpose: SignOnPurpose
  /** The user must prove again who it is, session or not. */
  readonly forceAuthn: boolean
  /** No page may be shown: with no usable session the purpose is told so. */
  readonly isPassive: boolean
  /** Only this identity provider's word counts. */
  readonly providerId?: string
  /** Name of the application, for the page. */
  readonly appName?: string
  /** Who is meant, as far as the application knows: stands in the form, and may be typed over. */
  readonly loginHint?: string
  /** Authentication contexts that the application wishes for, with blanks between them; for identity providers. */
  readonly acrValues?: string
  /** One of them has to be met: a provider that can not refuses. Else they are a wish. */
  readonly mustMeetAcr?: boolean
  /** Languages that the application wishes for, the best first, with blanks between them. */
  readonly uiLocales?: string
  /** Somebody else was signed in here: the password is checked, the new session waits for the old one's logout. */
  readonly verified?: SessionWish & { readonly username: string; readonly checkedAtMs: number; readonly formHash: string }
}

/** What happens after the sign-in. `data` belongs to the surface that asked. */
export type SignOnPurpose =
  | { readonly kind: 'home' }
  /** `url` was accepted by the redirect decision; absent: the configured page, else the start page. */
  | { readonly kind: 'landing'; readonly url?: string }
  | { readonly kind: 'saml' | 'oidc' | 'opentoken'; readonly data: unknown }

/** What a transaction is made with. */
export interface TransactionDeps {
  readonly store: Store
  readonly ids: Pick<Ids, 'cookie'>
  readonly clock: Clock
  /** How long it waits, in milliseconds. */
  readonly transactionMs: number
}

const nonceShape = /^[\w-]{22}$/

/** Stores a transaction and returns its one-time resume path. */
export async function createTransaction(
  { store, ids, clock, transactionMs }: TransactionDeps,
  transaction: SignOnTransaction
): Promise<{ readonly nonce: string; readonly path: string }> {
  const nonce = ids.cookie()
  await store.txCreate(keyOf(nonce), transaction, clock.nowMs() + transactionMs)
  return { nonce, path: resumePath(nonce) }
}

export function resumePath(nonce: string): string {
  return `/idp/${nonce}/resume/idp/SSO.ping`
}

/** Looks without taking: the form is shown again after a wrong password. */
export async function readTransaction(store: Store, nonce: string, nowMs: number): Promise<SignOnTransaction | undefined> {
  if (!nonceShape.test(nonce)) return undefined
  return (await store.txGet(keyOf(nonce), nowMs)) as SignOnTransaction | undefined
}

/** Takes the transaction; exactly one request gets it. */
export async function takeTransaction(store: Store, nonce: string, nowMs: number): Promise<SignOnTransaction | undefined> {
  if (!nonceShape.test(nonce)) return undefined
  return (await store.txTake(keyOf(nonce), nowMs)).value as SignOnTransaction | undefined
}

/** True for the key of a sign-in in the store. */
export function isSignOnKey(key: string): boolean {
  return key.startsWith(prefix)
}

const prefix = 'signon:'

function keyOf(nonce: string): string {
  return prefix + nonce
}
