import { CurfewError, decodeOpenToken } from '@curfew/codecs'
import type { Store } from '../../stores/store.ts'
import type { OpenTokenAdapter } from './adapter.ts'
import type { Adapters } from './adapters.ts'

export interface TokenUseDeps {
  readonly store: Pick<Store, 'replaySeen'>
  readonly adapters: Pick<Adapters, 'all'>
}

/** Of all adapters: two that share a password could read each other's tokens. */
const issuer = 'opentoken'

/** @throws CURFEW_OPENTOKEN_REPLAYED for a token that was taken before, or is one of ours, at any node */
export async function requireFirst(
  { store }: Pick<TokenUseDeps, 'store'>,
  { id }: OpenTokenAdapter,
  { mac, untilMs }: { readonly mac?: string; readonly untilMs: number },
  nowMs: number
): Promise<void> {
  if (mac === undefined) return
  const { value } = await store.replaySeen(issuer, mac, untilMs, nowMs)
  if (value === 'seen') throw new CurfewError('CURFEW_OPENTOKEN_REPLAYED', { connection: id })
}

/**
 * Uses up a token of ours before it leaves. An application that sends tokens has one key for both directions, so what it
 * is told at a logout would otherwise sign the same person in, by whoever has seen the address.
 */
export async function useUpOwn(deps: TokenUseDeps, { key }: OpenTokenAdapter, token: string, untilMs: number, nowMs: number): Promise<void> {
  const isHeard = deps.adapters.all().some((adapter) => hearsTokens(adapter) && Buffer.compare(adapter.key.octets, key.octets) === 0)
  if (isHeard) await deps.store.replaySeen(issuer, decodeOpenToken(token, [key]).mac, untilMs, nowMs)
}

/** Its tokens sign somebody in, or say which account is somebody's. */
function hearsTokens(adapter: OpenTokenAdapter): boolean {
  return adapter.role === 'idp' || adapter.accountLinkService !== undefined
}
