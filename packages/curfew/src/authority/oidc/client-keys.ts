import { CurfewError } from '@curfew/codecs'
import type { JSONWebKeySet } from 'jose'
import { LRUCache } from 'lru-cache'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from './client.ts'

/** A key set is read again after so long, so that a key that was taken back stops counting. */
export const keepMs = 5 * 60_000
/** It is read at most this often, whoever shows a key that is not in it, and whether it can be read or not. */
export const againMs = 10_000
/** Characters of all sets that are kept: strangers may register clients, and each set may have 256 KB. */
export const keptCharactersMax = 16 * 1024 * 1024

/** The key sets of clients, those at an address as they were read lately. */
export interface ClientKeys {
  /**
   * @param again - a key is not in it: it is read anew, unless that was just done
   * @throws those of the one outbound door, and CURFEW_OUTBOUND_STATUS for an answer that is no key set
   */
  of(client: Pick<OidcClient, 'jwks' | 'jwksUri'>, again?: boolean): Promise<JSONWebKeySet>
}

interface Known {
  readonly keys?: JSONWebKeySet
  readonly readAtMs: number
  readonly triedAtMs: number
  /** Why the last reading brought nothing. */
  readonly failure?: unknown
  readonly characters: number
}

export function createClientKeys({ fetchKeys, clock }: Pick<AuthorityContext, 'fetchKeys' | 'clock'>): ClientKeys {
  const known = new LRUCache<string, Known>({ maxSize: keptCharactersMax, sizeCalculation: ({ characters }) => characters })
  const reading = new Map<string, Promise<JSONWebKeySet>>()
  const isWithin = (atMs: number, ageMsMax: number): boolean => {
    // A date that is set back keeps nothing young.
    const ageMs = clock.nowMs() - atMs
    return ageMs >= 0 && ageMs < ageMsMax
  }
  const read = async (url: string): Promise<JSONWebKeySet> => {
    const triedAtMs = clock.nowMs()
    try {
      const text = await textOf(url, await fetchKeys(url))
      const keys = keySetOf(url, text)
      known.set(url, { keys, readAtMs: triedAtMs, triedAtMs, characters: url.length + text.length })
      return keys
    } catch (failure) {
      const before = known.peek(url)
      known.set(url, { ...(before ?? { readAtMs: Number.NEGATIVE_INFINITY, characters: url.length }), triedAtMs, failure })
      throw failure
    }
  }
  return {
    async of({ jwks, jwksUri: url }, again = false) {
      if (url === undefined) return (jwks ?? { keys: [] }) as unknown as JSONWebKeySet
      const before = known.get(url)
      const wasTried = before !== undefined && isWithin(before.triedAtMs, againMs)
      if (before?.keys !== undefined && isWithin(before.readAtMs, keepMs) && (!again || wasTried)) return before.keys
      if (wasTried && before.failure !== undefined) throw before.failure
      // Whoever comes meanwhile waits for the same answer.
      const coming = reading.get(url) ?? read(url).finally(() => reading.delete(url))
      reading.set(url, coming)
      return coming
    }
  }
}

async function textOf(url: string, answer: Response): Promise<string> {
  if (answer.status !== 200) throw new CurfewError('CURFEW_OUTBOUND_STATUS', { url, status: answer.status })
  return answer.text()
}

function keySetOf(url: string, text: string): JSONWebKeySet {
  const read: unknown = JSON.parse(text)
  const keys: unknown = typeof read === 'object' && read !== null && 'keys' in read ? read.keys : undefined
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'object' && key !== null))
    throw new CurfewError('CURFEW_OUTBOUND_STATUS', { url, status: 200, why: 'it is no key set' })
  return read as JSONWebKeySet
}
