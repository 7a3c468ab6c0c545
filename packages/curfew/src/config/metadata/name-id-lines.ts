import { nameIdFormat } from '@curfew/codecs'
import type { DraftLine, DraftSettings } from '../imports/draft.ts'

const issued = ['persistent', 'transient', 'emailAddress', 'unspecified'] as const

/** How a service provider knows people: the first format of its metadata that is issued here. */
export function nameIdLines(about: string, formats: readonly string[]): { readonly lines: readonly DraftLine[]; readonly settings: DraftSettings } {
  const kinds = formats.map((format) => issued.find((kind) => nameIdFormat[kind] === format))
  const chosen = kinds.find((kind) => kind !== undefined)
  const lines = formats.map((format, i): DraftLine => {
    const kind = kinds[i]
    const what = `NameIDFormat ${format.split(':').at(-1)?.slice(0, 60) ?? ''}`
    if (kind === undefined) return { about, what, verdict: 'unsupported', note: `${format.slice(0, 120)} is not issued here` }
    if (kind !== chosen) return { about, what, verdict: 'not-needed', note: 'given where a request asks for it' }
    if (kind !== 'persistent') return { about, what, verdict: 'imported', setting: 'nameId.format', note: noteOf[kind] }
    const note = 'given where a request asks for no other; its values are made here and differ from those of the former server'
    return { about, what, verdict: 'approximated', setting: 'nameId.format', note }
  })
  if (chosen !== undefined && chosen !== 'unspecified') return { lines, settings: { nameId: { format: chosen } } }
  if (formats.length === 0)
    return { lines: [{ about, what: 'NameIDFormat', verdict: 'imported', note: 'it names none: it gets the user name (unspecified)' }], settings: {} }
  return { lines, settings: {} }
}

const noteOf = {
  transient: 'given where a request asks for no other: new in every session',
  emailAddress: 'given where a request asks for no other: the attribute mail, or nameId.attribute',
  unspecified: 'the user name, or nameId.attribute'
} as const
