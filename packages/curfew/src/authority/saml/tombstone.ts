import { createHash } from 'node:crypto'
import { CurfewError, type LogoutRequest, messageAgeSecondsMax, type NameID } from '@curfew/codecs'
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

/** Keys of the store are written once: each logout of the same subject takes the next number, and when none is free that of the oldest. */
async function bury(ctx: TombstoneDeps, key: string, askedAtMs: number, untilMs: number): Promise<void> {
  for (let n = 0; n < perSubjectMax; n++) {
    const { value } = await ctx.store.txCreate(`${key}:${n}`, askedAtMs, untilMs)
    if (value === 'created') return
  }
  let newestMs = askedAtMs
  for (let round = 0; round < perSubjectMax; round++) {
    const known = (await kept(ctx, key)).map((value) => value ?? 0)
    const oldestMs = Math.min(...known)
    // Every one of them covers what this one would.
    if (oldestMs >= newestMs) return
    const place = `${key}:${known.indexOf(oldestMs)}`
    const taken = (await ctx.store.txTake(place, ctx.clock.nowMs())).value
    // Another node may have put a newer one there meanwhile: that one goes back.
    if (typeof taken === 'number') newestMs = Math.max(newestMs, taken)
    if ((await ctx.store.txCreate(place, newestMs, untilMs)).value === 'created') return
  }
  throw new CurfewError('CURFEW_STORE_FAILED', { what: 'tombstone' })
}

async function hasLater(ctx: TombstoneDeps, key: string, issuedAtMs: number): Promise<boolean> {
  return (await kept(ctx, key)).some((askedAtMs) => askedAtMs !== undefined && askedAtMs >= issuedAtMs)
}

/** Those that ran out leave gaps, so all numbers are looked at. */
function kept(ctx: TombstoneDeps, key: string): Promise<readonly (number | undefined)[]> {
  const nowMs = ctx.clock.nowMs()
  const one = async (n: number): Promise<number | undefined> => {
    const value = await ctx.store.txGet(`${key}:${n}`, nowMs)
    return typeof value === 'number' ? value : undefined
  }
  return Promise.all(Array.from({ length: perSubjectMax }, (_, n) => one(n)))
}

function keyOf(providerId: string, subject: string, index: string): string {
  return `ended:${providerId}:${createHash('sha256').update(`${subject}\0${index}`).digest('base64url')}`
}
