import { CurfewError } from '@curfew/codecs'
import { Document, isMap, isScalar, isSeq } from 'yaml'

/** What became of one thing of the replaced product or of a partner. */
export type Verdict =
  | 'imported' // it stands in the settings, or holds without one
  | 'approximated' // what stands in the settings comes near, and a person has to look at the difference
  | 'unsupported' // nothing takes its place
  | 'not-needed' // nothing has to take its place

/** One line of the table. */
export interface DraftLine {
  /** The entity, client or file that it belongs to. */
  readonly about: string
  readonly what: string
  readonly verdict: Verdict
  /** Path of the setting, from its connection where it belongs to one. */
  readonly setting?: string
  readonly note: string
}

/** A part of `curfew.yaml` for a person to look at, and how it came about. */
export interface Draft {
  readonly settings: DraftSettings
  /** Lines above what stands at a path such as `connections.0`; the empty path is the whole. */
  readonly comments: Readonly<Record<string, readonly string[]>>
  readonly lines: readonly DraftLine[]
  /** Files that the settings name, by path from the folder of `curfew.yaml`: public certificates, never a secret. */
  readonly files?: Readonly<Record<string, string>>
}

export interface DraftSettings {
  readonly [name: string]: unknown
}

/** One entry of `connections` or `identityProviders`. */
export interface DraftEntry {
  readonly settings: DraftSettings
  readonly comments: readonly string[]
}

const reference = Symbol('reference')

/** The file that a person puts a secret into, as a value of a setting. */
export interface SecretFile {
  readonly [reference]: string
}

export function secretFile(path: string): SecretFile {
  return { [reference]: path }
}

/**
 * Writes our own references to secrets out. Whoever wrote what is imported must not choose what is read here: `${env:...}`
 * and `${file:...}` in a value of theirs would be replaced when the configuration is loaded.
 * @throws CURFEW_IMPORT_REFUSED
 */
export function finished(settings: DraftSettings, from: string): DraftSettings {
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string' && /\$\{(env|file):/.test(value))
      throw new CurfewError('CURFEW_IMPORT_REFUSED', { file: from, why: 'a value in it names a variable or a file of this machine, as ${env:...} does' })
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== 'object' || value === null) return value
    if (reference in value) return `\${file:${String(value[reference])}}`
    return Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : [[key, walk(inner)]])))
  }
  return walk(settings) as DraftSettings
}

/** Entries as a draft; a list without entries is left out. */
export function draftOf(
  lists: { readonly connections: readonly DraftEntry[]; readonly identityProviders: readonly DraftEntry[] },
  { from, lines }: { readonly from: string; readonly lines: readonly DraftLine[] }
): Draft {
  const named = (['connections', 'identityProviders'] as const).filter((list) => lists[list].length > 0)
  return {
    settings: finished(Object.fromEntries(named.map((list) => [list, lists[list].map(({ settings }) => settings)])), from),
    comments: Object.fromEntries(named.flatMap((list) => lists[list].map(({ comments }, i) => [`${list}.${i}`, comments]))),
    lines
  }
}

/** The part of `curfew.yaml` as text, with its comments. */
export function draftText({ settings, comments }: Pick<Draft, 'settings' | 'comments'>): string {
  const document = new Document(settings)
  for (const [path, lines] of Object.entries(comments)) {
    const text = lines.map((line) => ` ${line.replaceAll(/\p{Cc}/gu, ' ')}`.trimEnd()).join('\n')
    if (text === '') continue
    if (path === '') document.commentBefore = text
    else commentAt(document, path.split('.'), text)
  }
  return document.toString({ lineWidth: 0 })
}

function commentAt(document: Document, path: readonly string[], text: string): void {
  const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  const name = path.at(-1) ?? ''
  if (isSeq(parent)) {
    const item = parent.items[Number(name)]
    if (isMap(item) || isScalar(item)) item.commentBefore = text
  } else if (isMap(parent)) {
    const key = parent.items.find((pair) => isScalar(pair.key) && pair.key.value === name)?.key
    if (isScalar(key)) key.commentBefore = text
  }
}

const idCharactersMax = 40
/** Room for `-999` behind a name that is taken. */
const stemCharactersMax = idCharactersMax - 4

/** An id out of the first text that gives one, and that nobody has; it is taken from then on. */
export function freeId(texts: readonly (string | undefined)[], taken: Set<string>): string {
  const stem = texts.map((text) => slugOf(text ?? '')).find((slug) => slug.length > 1) ?? 'partner'
  let id = stem
  for (let i = 2; taken.has(id); i++) id = `${stem}-${i}`
  taken.add(id)
  return id
}

function slugOf(text: string): string {
  const slug = text
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
  return slug.slice(0, stemCharactersMax).replace(/-+$/, '')
}

/** What an entity ID says best of whose it is: its host, or all of it. */
export function hostOf(entityId: string): string {
  return URL.parse(entityId)?.hostname.replace(/^www\./, '') || entityId.replace(/^urn:/, '')
}
