/** What a value of the replaced product becomes here. */
export type Reading =
  | { readonly kind: 'value'; readonly value: boolean | number | string | readonly string[] }
  | { readonly kind: 'unreadable'; readonly why: string }

/** A documented key of a file of the replaced product. */
export interface ShippedKey {
  /** The setting that takes its place; absent: there is none, and `note` says why. */
  readonly setting?: string
  readonly note: string
  /** Reads a value for `setting`; absent: a person has to write it. Empty values are not read. */
  readonly read?: (text: string) => Reading
  /** Never shown. */
  readonly isSecret?: true
  /** It counts where adaptive clustering is on, or off; absent: in both. */
  readonly clustering?: 'adaptive' | 'directed'
}

export function flag(text: string): Reading {
  const word = text.toLowerCase()
  return word === 'true' || word === 'false' ? { kind: 'value', value: word === 'true' } : { kind: 'unreadable', why: 'write true or false' }
}

/** A whole number; `by` is added, and each unit of the file is `per` of ours. */
export function whole(min: number, max: number, change: { readonly by?: number; readonly divisor?: number } = {}): (text: string) => Reading {
  const { by = 0, divisor = 1 } = change
  return (text) => {
    const value = /^\d{1,12}$/.test(text) ? Number(text) / divisor + by : Number.NaN
    return value >= min && value <= max
      ? { kind: 'value', value }
      : { kind: 'unreadable', why: `write a whole number from ${(min - by) * divisor} to ${(max - by) * divisor}` }
  }
}

/** Words between blanks or commas. */
export function words(text: string): Reading {
  return { kind: 'value', value: text.split(/[\s,]+/).filter((word) => word !== '') }
}

/** An id of a group: what separates words there joins them here, because an id has letters and digits only. */
export function groupIdOf(text: string): Reading {
  if (/\s/.test(text)) return { kind: 'unreadable', why: 'an id of a group has no white space' }
  const id = text
    .split(/[^A-Za-z0-9]+/)
    .map((word, i) => (i === 0 ? word : word.slice(0, 1).toUpperCase() + word.slice(1)))
    .join('')
  return /^[A-Za-z0-9]{1,36}$/.test(id) ? { kind: 'value', value: id } : { kind: 'unreadable', why: 'an id of a group has 1 to 36 letters and digits' }
}
