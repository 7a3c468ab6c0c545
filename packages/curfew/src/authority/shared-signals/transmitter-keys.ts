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
  const read = async ({ id, jwksUri }: TransmitterSettings): Promise<Known> => {
    const answer = await fetchKeys(jwksUri)
    if (answer.status !== 200) throw new CurfewError('CURFEW_OUTBOUND_STATUS', { url: jwksUri, status: answer.status })
    const fresh = { keys: (await answer.json()) as JSONWebKeySet, readAtMs: clock.nowMs() }
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
