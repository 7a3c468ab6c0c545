import type { Check } from './doctor-check.ts'

/** A signing key of the configuration. */
export interface ConfiguredKey {
  readonly fingerprint: string
  /** Messages to some partner are signed with it. */
  readonly signs: boolean
}

/**
 * Keys of the configuration that the running server does not publish yet. One that signs from the next start on is refused by
 * every partner that reads metadata now and then, until it reads it again: it has to be published before it signs.
 * @param keys - as `saml.keys`; undefined for one that can not be read
 * @param published - what the running server publishes; undefined where none answers, or a former version
 */
export function publicationChecks(keys: readonly (ConfiguredKey | undefined)[], published: readonly string[] | undefined): readonly Check[] {
  if (published === undefined) return []
  return keys.flatMap((key, i): readonly Check[] => {
    if (key === undefined || published.includes(key.fingerprint)) return []
    const what = `signing key ${i + 1}: publication`
    if (!key.signs) return [{ what, verdict: 'ok', why: 'in the metadata from the next start on' }]
    return [
      {
        what,
        verdict: 'warn',
        why: 'it signs from the next start on, and was never published: partners refuse what it signs until they have read the metadata again',
        fix: 'Put it last in saml.keys, start, and put it first when every partner has read the metadata (docs/how-to/saml-keys.md).'
      }
    ]
  })
}
