import { isCurfewError } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { SamlPartner } from './connection.ts'

/** One thing that differs between the metadata that was known and the one that was read. */
export interface MetadataChange {
  readonly atMs: number
  readonly what: 'signing key' | 'encryption key' | 'logout' | 'artifact resolution' | 'assertion consumer' | 'single sign-on'
  readonly change: 'added' | 'removed'
  /** Fingerprint, or binding, address and what else counts of it. */
  readonly value: string
  /** What was agreed before stops to work by it: messages signed with this key, the only way to log out. */
  readonly breaks: boolean
}

/** What is known of the metadata of one partner. */
export interface MetadataState {
  /** When it was read last with success. */
  readonly readAtMs?: number
  /** From then on it may not be used. */
  readonly validUntilMs?: number
  /** Why the last attempt failed; what was known before is used meanwhile, as long as it is valid. */
  readonly problem?: { readonly atMs: number; readonly code: string; readonly why: string }
  /** Newest first, at most {@link changesMax}. */
  readonly changes: readonly MetadataChange[]
}

/** Most changes of one partner that are remembered. */
export const changesMax = 20

interface Facts {
  readonly what: MetadataChange['what']
  readonly values: readonly string[]
}

/** What a partner is worked with that can come from its metadata. */
function factsOf(partner: SamlPartner): readonly Facts[] {
  const { verification, encryption, logoutServices, artifactResolution } = partner
  return [
    { what: 'signing key', values: verification.keys.map((key) => key.fingerprint) },
    { what: 'encryption key', values: encryption === undefined ? [] : [encryption.fingerprint] },
    {
      what: 'logout',
      values: logoutServices.map(({ binding, url, responseUrl }) => `${binding} ${url}${responseUrl === undefined ? '' : ` (answers to ${responseUrl})`}`)
    },
    { what: 'artifact resolution', values: artifactResolution.map(({ url, index }) => `${url} (index ${index})`) },
    partner.role === 'sp'
      ? {
          what: 'assertion consumer',
          values: partner.consumers.map(({ binding, url, index, isDefault }) => `${binding} ${url} (index ${index}${isDefault ? ', default' : ''})`)
        }
      : { what: 'single sign-on', values: [`${partner.singleSignOn.binding} ${partner.singleSignOn.url}`] }
  ]
}

/** Compares two readings of one partner. */
export function changesBetween(before: SamlPartner, after: SamlPartner, atMs: number): readonly MetadataChange[] {
  const now = factsOf(after)
  return factsOf(before).flatMap(({ what, values }, i): readonly MetadataChange[] => {
    const fresh = now[i]?.values ?? []
    return [
      ...fresh.filter((value) => !values.includes(value)).map((value) => ({ atMs, what, change: 'added' as const, value, breaks: false })),
      ...values.filter((value) => !fresh.includes(value)).map((value) => ({ atMs, what, change: 'removed' as const, value, breaks: breaksBy(what, fresh) }))
    ]
  })
}

/** A signing key that goes away refuses what it signed; of addresses only the last one is missed. */
function breaksBy(what: MetadataChange['what'], left: readonly string[]): boolean {
  return what === 'signing key' || left.length === 0
}

/** Remembers what each reading of metadata came to. */
export interface MetadataJournal {
  succeeded(id: PeerId, read: { readonly atMs: number; readonly validUntilMs?: number; readonly changes: readonly MetadataChange[] }): void
  failed(id: PeerId, atMs: number, error: unknown): void
  of(id: PeerId): MetadataState | undefined
}

export function createMetadataJournal(): MetadataJournal {
  const states = new Map<PeerId, MetadataState>()
  return {
    succeeded(id, { atMs, validUntilMs, changes }) {
      const kept = [...changes, ...(states.get(id)?.changes ?? [])].slice(0, changesMax)
      states.set(id, { readAtMs: atMs, ...(validUntilMs === undefined ? {} : { validUntilMs }), changes: kept })
    },
    failed(id, atMs, error) {
      const code = isCurfewError(error) ? error.code : 'CURFEW_SAML_METADATA'
      const why = error instanceof Error ? error.message.slice(0, 300) : 'it can not be read'
      states.set(id, { changes: [], ...states.get(id), problem: { atMs, code, why } })
    },
    of: (id) => states.get(id)
  }
}
