import { CurfewError } from '@curfew/codecs'
import { plainOf, readJson } from '../imports/json-tree.ts'

/** A JSON file of an export. */
export interface ExportFile {
  readonly path: string
  readonly text: string
}

/** An object of an export; what a field holds is looked at by whoever reads it. */
export type Part = Readonly<Record<string, unknown>>

/** One realm with all that was exported of it. */
export interface Realm {
  readonly path: string
  readonly fields: Part
  readonly name: string
  readonly users: readonly Part[]
}

/**
 * Reads the export of one realm and, where there are some, its files of users.
 * @throws CURFEW_IMPORT_JSON, CURFEW_IMPORT_REFUSED
 */
export function readRealm(files: readonly ExportFile[]): Realm {
  const read = files.map(({ path, text }) => ({ path, fields: partOf(plainOf(readJson(path, text)), path) }))
  const realms = read.filter(({ fields }) => 'clients' in fields || 'ssoSessionIdleTimeout' in fields)
  const [realm, ...others] = realms
  if (realm === undefined)
    throw new CurfewError('CURFEW_IMPORT_JSON', { file: files[0]?.path ?? '', why: 'it is no export of a realm: it has neither clients nor session timeouts' })
  if (others.length > 0) throw new CurfewError('CURFEW_IMPORT_REFUSED', { file: others[0]?.path ?? '', why: 'there are two realms; import one at a time' })
  const stray = read.find(({ fields, path }) => path !== realm.path && !Array.isArray(fields['users']))
  if (stray !== undefined) throw new CurfewError('CURFEW_IMPORT_JSON', { file: stray.path, why: 'it is neither an export of a realm nor a file of users' })
  return { path: realm.path, fields: realm.fields, name: text(realm.fields, 'realm') ?? 'realm', users: read.flatMap(({ fields }) => parts(fields, 'users')) }
}

function partOf(value: unknown, file: string): Part {
  if (Array.isArray(value)) throw new CurfewError('CURFEW_IMPORT_REFUSED', { file, why: 'it holds a list of realms; export one realm' })
  if (!isPart(value)) throw new CurfewError('CURFEW_IMPORT_JSON', { file, why: 'it is no object' })
  return value
}

export function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A text that says something; numbers and flags are written out, as attributes have them. */
export function text(part: Part, name: string): string | undefined {
  const value = part[name]
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}

export function flag(part: Part, name: string): boolean | undefined {
  const value = text(part, name)
  return value === 'true' ? true : value === 'false' ? false : undefined
}

/** A whole number of zero or more. */
export function whole(part: Part, name: string): number | undefined {
  const value = text(part, name)
  return value !== undefined && /^\d{1,12}$/.test(value) ? Number(value) : undefined
}

export function parts(part: Part, name: string): readonly Part[] {
  const value = part[name]
  return Array.isArray(value) ? value.filter(isPart) : []
}

export function inner(part: Part, name: string): Part {
  const value = part[name]
  return isPart(value) ? value : {}
}

export function texts(part: Part, name: string): readonly string[] {
  const value = part[name]
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string' && one.trim() !== '') : []
}

/** Names of fields that say something and that nobody read; their values are not shown. */
export function unread(part: Part, known: ReadonlySet<string>): readonly string[] {
  return Object.entries(part).flatMap(([name, value]) => (known.has(name) || isEmpty(value) ? [] : [name.replaceAll(/\p{Cc}/gu, ' ').slice(0, 80)]))
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true
  if (typeof value === 'string') return ['', 'false', '{}', '[]'].includes(value.trim())
  return typeof value === 'object' && Object.keys(value).length === 0
}
