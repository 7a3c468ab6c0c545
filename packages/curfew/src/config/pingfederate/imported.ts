/** A file of the replaced product. */
export interface ShippedFile {
  /** As the person named it. */
  readonly path: string
  /** Its last part: `cluster-adaptive.conf`. */
  readonly name: string
  readonly text: string
}

/** What became of one entry. */
export type Fate =
  | 'taken' // its value stands in the settings
  | 'by-hand' // a setting takes its place, and a person has to write it
  | 'none' // there is no setting, and needs none
  | 'unused' // it counted for nothing there
  | 'unreadable' // the key is known, the value is none that it can have
  | 'unknown' // no documented key
  | 'elsewhere' // about neither the cluster nor sessions

/** One entry of one file: every one has exactly one line. */
export interface ImportLine {
  readonly path: string
  readonly line: number
  readonly key: string
  /** Secrets are not shown. */
  readonly value: string
  readonly fate: Fate
  readonly setting?: string
  readonly note: string
}

/** What was read, and what became of it. */
export interface Imported {
  /** A part of `curfew.yaml`. */
  readonly settings: Settings
  readonly lines: readonly ImportLine[]
}

/** Settings by section. */
export interface Settings {
  readonly [name: string]: Setting | Settings
}
export type Setting = boolean | number | string | readonly string[]

type Section = Record<string, Setting | Settings>

/** `a.b.c` becomes sections in sections. */
export function nested(values: Iterable<readonly [string, Setting]>): Settings {
  const top: Section = {}
  for (const [path, value] of values) {
    const parts = path.split('.')
    const section = parts.slice(0, -1).reduce<Section>((at, part) => {
      const inner = Object.hasOwn(at, part) ? (at[part] as Section) : {}
      at[part] = inner
      return inner
    }, top)
    section[parts.at(-1) ?? ''] = value
  }
  return top
}

/** Both in one; a setting that both have is the second one's. */
export function merged(first: Settings, second: Settings): Settings {
  const both: Section = { ...first }
  for (const [name, value] of Object.entries(second)) {
    const known = Object.hasOwn(both, name) ? both[name] : undefined
    both[name] = isSection(known) && isSection(value) ? merged(known, value) : value
  }
  return both
}

function isSection(value: Setting | Settings | undefined): value is Settings {
  return typeof value === 'object' && !Array.isArray(value)
}
