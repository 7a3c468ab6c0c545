import { CurfewError, isCurfewError, type SecurityEventToken, verifySecurityEventToken } from '@curfew/codecs'
import type { JSONWebKeySet } from 'jose'
import type { AuthorityContext } from '../context.ts'
import type { TransmitterSettings } from './settings.ts'

/** A key set is read again after so long, so that a key that was taken back stops counting. */
const keepMs = 5 * 60_000
/** A token with an unknown key has the set read again, at most this often. */
const againMs = 30_000

/** Verifies tokens of transmitters with their published keys. */
export interface TransmitterKeys {
  /** @throws those of `verifySecurityEventToken`; CURFEW_OUTBOUND_STATUS and other outbound codes when the keys can't be read */
  verify(transmitter: TransmitterSettings, text: string): Promise<SecurityEventToken>
}

interface Known {
  readonly keys: JSONWebKeySet
  readonly readAtMs: number
}

export function createTransmitterKeys({ fetchKeys, clock }: Pick<AuthorityContext, 'fetchKeys' | 'clock'>): TransmitterKeys {
  const known = new Map<string, Known>()
  const fetchJson = async (url: string): Promise<unknown> => {
    const answer = await fetchKeys(url)
    if (answer.status !== 200) throw new CurfewError('CURFEW_OUTBOUND_STATUS', { url, status: answer.status })
    return answer.json()
  }
  const read = async ({ id, issuer, jwksUri }: TransmitterSettings): Promise<Known> => {
    const url = jwksUri ?? keysNamedBy(issuer, await fetchJson(metadataUrl(issuer)))
    const fresh = { keys: (await fetchJson(url)) as JSONWebKeySet, readAtMs: clock.nowMs() }
    known.set(id, fresh)
    return fresh
  }
  return {
    async verify(transmitter, text) {
      const { issuer, audience } = transmitter
      const check = ({ keys }: Known): Promise<SecurityEventToken> =>
        verifySecurityEventToken(text, { issuer, audience, keys, now: Temporal.Instant.fromEpochMilliseconds(clock.nowMs()) })
      const stored = known.get(transmitter.id)
      const isFresh = stored !== undefined && clock.nowMs() - stored.readAtMs < keepMs
      const at = isFresh ? stored : await read(transmitter)
      try {
        return await check(at)
      } catch (error) {
        const mayAsk = isCurfewError(error) && error.code === 'CURFEW_OIDC_TOKEN_KEY_UNKNOWN' && clock.nowMs() - at.readAtMs >= againMs
        if (!mayAsk) throw error
        return check(await read(transmitter))
      }
    }
  }
}

/** Where a transmitter says what it is: the well-known part stands before its path (SSF 1.0 section 7.2). */
export function metadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/ssf-configuration${pathname === '/' ? '' : pathname}`
}

/** @throws CURFEW_SIGNALS_METADATA when it speaks for somebody else, or names no keys on https or this machine */
function keysNamedBy(issuer: string, metadata: unknown): string {
  const { issuer: named, jwks_uri: uri } = (typeof metadata === 'object' && metadata !== null ? metadata : {}) as Readonly<Record<string, unknown>>
  if (named !== issuer) throw new CurfewError('CURFEW_SIGNALS_METADATA', { issuer, why: 'it names another issuer' })
  const isOwn = issuer.startsWith('http:') && typeof uri === 'string' && uri.startsWith('http:')
  if (typeof uri !== 'string' || !(uri.startsWith('https:') || isOwn)) throw new CurfewError('CURFEW_SIGNALS_METADATA', { issuer, why: 'it names no keys' })
  return uri
}
