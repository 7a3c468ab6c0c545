import { createHash } from 'node:crypto'
import { type LogoutRequest, messageAgeSecondsMax, type NameID } from '@curfew/codecs'
import type { PeerProtocol } from '../../core/peer.ts'
import type { AuthorityContext } from '../context.ts'

type TombstoneDeps = Pick<AuthorityContext, 'store' | 'clock' | 'saml'>

/** An assertion that may have been overtaken by its logout. */
export interface LateAssertion {
  readonly providerId: string
  readonly protocol: PeerProtocol
  readonly nameId: Pick<NameID, 'value'>
  readonly sessionIndex: string
  readonly issuedAtMs: number
}

/** Kind of what is remembered of one logout. */
const kind = 'UpstreamLogout'
/** Most logouts remembered of one subject and session at once; of more the newest, which cover what the older ones did. */
const perSubjectMax = 16

/**
 * Remembers that an identity provider ended sessions, until no assertion from before can be presented any more: one
 * that arrives after its logout must not sign anybody in.
 * @see saml-core-2.0-os section 3.7.3.1
 */
export async function buryLateAssertions(ctx: TombstoneDeps, providerId: string, message: LogoutRequest): Promise<void> {
  const nowMs = ctx.clock.nowMs()
  const untilMs = Math.max(message.notOnOrAfter?.epochMilliseconds ?? 0, nowMs + messageAgeSecondsMax * 1000) + ctx.saml.clockSkewSeconds * 1000
  const indexes = message.sessionIndexes.length === 0 ? [''] : message.sessionIndexes
  for (const index of indexes) await bury(ctx, keyOf(providerId, message.subject.value, index), message.issueInstant.epochMilliseconds, untilMs)
}

/** The same for a logout token, or a frame: it names a subject, a session, or both. */
export async function buryLateTokens(
  ctx: TombstoneDeps,
  providerId: string,
  token: { readonly subject?: string; readonly sid?: string; readonly issuedAtMs: number }
): Promise<void> {
  const untilMs = ctx.clock.nowMs() + (messageAgeSecondsMax + ctx.saml.clockSkewSeconds) * 1000
  await bury(ctx, keyOf(providerId, token.sid === undefined ? (token.subject ?? '') : '', token.sid ?? ''), token.issuedAtMs, untilMs)
}

/** True when a logout that was asked for after this assertion was issued covers it. */
export async function isBuried(ctx: TombstoneDeps, assertion: LateAssertion): Promise<boolean> {
  const { providerId, nameId, sessionIndex, issuedAtMs } = assertion
  const named = [...new Set(['', sessionIndex])].map((index) => keyOf(providerId, nameId.value, index))
  const keys = assertion.protocol === 'oidc' && sessionIndex !== '' ? [...named, keyOf(providerId, '', sessionIndex)] : named
  for (const key of keys) if (await hasLater(ctx, key, issuedAtMs)) return true
  return false
}

/** Every group hears of it, as of an assertion that was used. Beyond the most that are remembered the oldest go. */
async function bury({ store, clock }: TombstoneDeps, key: string, askedAtMs: number, untilMs: number): Promise<void> {
  await store.putArtifact({ kind, id: idOf(key, askedAtMs), grantId: key, untilMs, value: askedAtMs }, { isEnding: true })
  const known = await store.artifactsOfGrant(key, kind, clock.nowMs(), 2 * perSubjectMax)
  for (const { id } of known.slice(perSubjectMax)) await store.dropArtifact(kind, id)
}

async function hasLater({ store, clock }: TombstoneDeps, key: string, issuedAtMs: number): Promise<boolean> {
  const [newest] = await store.artifactsOfGrant(key, kind, clock.nowMs(), 1)
  return typeof newest?.value === 'number' && newest.value >= issuedAtMs
}

/** The store gives artifacts in the order of their ids: here the newest first. */
function idOf(key: string, askedAtMs: number): string {
  return `${key}:${String(Number.MAX_SAFE_INTEGER - askedAtMs).padStart(16, '0')}`
}

function keyOf(providerId: string, subject: string, index: string): string {
  return `ended:${providerId}:${createHash('sha256').update(`${subject}\0${index}`).digest('base64url')}`
}
