import { createHash } from 'node:crypto'
import { CurfewError } from '@curfew/codecs'
import type { UserKey } from '../../core/ids.ts'
import type { Actor } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import type { User } from '../sign-on/user-directory.ts'
import type { Arrival } from './arrival.ts'

/** Whether people of an identity provider may, or have to, say which account here is theirs. */
export type AccountLinking = 'off' | 'offered' | 'required'

/** An account somewhere else and the account here that belong to one person; it stands until somebody removes it. */
export interface AccountLink {
  /** Names both ends as far as they find the link, and shows neither. */
  readonly id: string
  /** The identity provider whose people come in by it, or the application that they go out to. */
  readonly providerId: string
  readonly role: 'upstream' | 'application'
  /** What the provider called the person when the link was made, for people to read; the account at the application. */
  readonly providerUser: string
  readonly userKey: UserKey
  readonly username: string
  readonly linkedAtMs: number
}

export type LinkDeps = Pick<AuthorityContext, 'store' | 'clock'>

const kind = 'AccountLink'
const declinedKind = 'AccountLinkDeclined'
/** Links do not run out. */
const foreverMs = Number.MAX_SAFE_INTEGER
/** Who said "not now" is not asked again for so long. */
const declinedMs = 30 * 86_400_000
/** Of no directory: nobody has this key, and nobody signs in by this name. */
const nobody = ':removed'
/** A person has a handful. */
export const linksPerUserMax = 100

const transientFormat = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient'

/**
 * Name of the link of whoever this arrival is; undefined where the provider gave a name that is another one each time.
 * Bound to the entity ID or issuer: another provider under the same id in the configuration gets none of the links.
 */
export function linkIdOf({ peer }: Pick<AuthorityContext, 'peer'>, { providerId, nameId }: Arrival): string | undefined {
  if (nameId.format === transientFormat) return undefined
  const subject = [peer(providerId)?.entityId ?? '', nameId.value, nameId.nameQualifier ?? '', nameId.spNameQualifier ?? '']
  return createHash('sha256').update(JSON.stringify(subject)).digest('base64url')
}

/** Name of the link of a user here to an account at an application. */
export function applicationLinkId(adapterId: string, userKey: UserKey): string {
  return createHash('sha256')
    .update(JSON.stringify(['application', adapterId, userKey]))
    .digest('base64url')
}

export async function findLink({ store, clock }: LinkDeps, id: string): Promise<AccountLink | undefined> {
  const found = (await store.getArtifact(kind, id, clock.nowMs()))?.value as AccountLink | null | undefined
  return found === null || found?.userKey === nobody ? undefined : found
}

/** Every link of a user, at most {@link linksPerUserMax}. */
export async function linksOf({ store, clock }: LinkDeps, userKey: UserKey): Promise<readonly AccountLink[]> {
  return (await store.artifactsOfGrant(grantOf(userKey), kind, clock.nowMs(), linksPerUserMax)).map(({ value }) => value as AccountLink)
}

/** A link that is about to be made. */
export type NewLink = Pick<AccountLink, 'id' | 'providerId' | 'providerUser' | 'role'>

/**
 * Keeps a link: to the account here whose password was typed, or to the account there that the application vouches for.
 * @throws CURFEW_LINK_TAKEN when it is linked to another account by now
 */
export async function keepLink(deps: LinkDeps, wish: NewLink, { userKey, username }: Pick<User, 'userKey' | 'username'>): Promise<void> {
  const known = await findLink(deps, wish.id)
  const isOther = known !== undefined && (known.userKey !== userKey || (wish.role === 'application' && known.providerUser !== wish.providerUser))
  if (isOther) throw new CurfewError('CURFEW_LINK_TAKEN', { connection: wish.providerId })
  if (known === undefined && (await linksOf(deps, userKey)).length >= linksPerUserMax) throw new CurfewError('CURFEW_LINK_TAKEN', { maximum: linksPerUserMax })
  const link: AccountLink = { ...wish, userKey, username, linkedAtMs: deps.clock.nowMs() }
  await deps.store.putArtifact({ kind, id: link.id, grantId: grantOf(userKey), untilMs: foreverMs, value: link })
  await audit(deps, 'account.linked', link, { kind: 'user', id: username })
}

/**
 * False: there is no such link of this user. Sessions that were opened by it go on. What stays in its place says nothing but
 * that there is none, under the same id: dropped, it could not be made again in another group, which had not heard of the end.
 */
export async function removeLink(deps: LinkDeps, userKey: UserKey, id: string, by: Actor): Promise<boolean> {
  const link = await findLink(deps, id)
  if (link?.userKey !== userKey) return false
  // For nodes of the former version it is a link to nobody, which names no account at the application either.
  const { providerId, role, linkedAtMs } = link
  const value = { id, providerId, role, userKey: nobody, username: nobody, linkedAtMs }
  await deps.store.putArtifact({ kind, id, untilMs: foreverMs, value }, { isEnding: true })
  await audit(deps, 'account.unlinked', link, by)
  return true
}

/** Remembers that the person does not want to link now. */
export async function declineLink({ store, clock }: LinkDeps, id: string): Promise<void> {
  await store.putArtifact({ kind: declinedKind, id, untilMs: clock.nowMs() + declinedMs, value: null })
}

export async function hasDeclined({ store, clock }: LinkDeps, id: string): Promise<boolean> {
  return (await store.getArtifact(declinedKind, id, clock.nowMs())) !== undefined
}

async function audit(deps: LinkDeps, event: string, link: AccountLink, actor: Actor): Promise<void> {
  await deps.store.appendAudit({ atMs: deps.clock.nowMs(), event, actor, userKey: link.userKey, peerId: link.providerId, detail: { link: link.id } })
}

function grantOf(userKey: UserKey): string {
  return `account:${userKey}`
}
