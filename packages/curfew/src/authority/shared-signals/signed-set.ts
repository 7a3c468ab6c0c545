import { signSecurityEventToken } from '@curfew/codecs'
import type { TokenKey } from '../oidc/settings.ts'
import type { OwedSet, Stream } from './streams.ts'

/** Signs an owed token as it leaves: with the key of now, with the `jti` and time of its cause. */
export function signSet({ baseUrl, keys }: { readonly baseUrl: string; readonly keys: readonly TokenKey[] }, stream: Stream, set: OwedSet): Promise<string> {
  // CAEP interoperability profile: RS256 where there is an RSA key.
  const key = keys.find(({ algorithms }) => algorithms.includes('RS256')) ?? keys[0]
  const algorithm = key?.algorithms[0]
  if (key === undefined || algorithm === undefined) throw new TypeError('there is a token key wherever there are clients')
  const { jti, event, payload, subject, issuedAtMs, txn } = set
  const parts = { issuer: baseUrl, audience: stream.clientId, jti, event, payload, subject, issuedAtMs, ...(txn === undefined ? {} : { txn }) }
  return signSecurityEventToken(parts, { key: key.key, kid: key.kid, algorithm })
}
