import { CurfewError } from '@curfew/codecs'
import { id } from '../values.ts'
import { type Imported, type ImportLine, nested, type Setting, type ShippedFile } from './imported.ts'
import { fieldOf, type JsonObject, type JsonTree } from '../imports/json-tree.ts'
import { applicationFields, type Fields, globalFields, settingsFields, sourceFields } from './session-fields.ts'
import { type ResourceKind, type SessionResource, sessionResources } from './session-resources.ts'
import type { ShippedKey } from './shipped-key.ts'

const fieldsOf: Readonly<Record<ResourceKind, Fields>> = {
  global: globalFields,
  settings: settingsFields,
  application: applicationFields,
  source: sourceFields
}

/**
 * Turns what the admin API of the replaced product says of sessions into settings, and says of every field what became
 * of it. What is off there stays off, what is on stays on.
 * @throws CURFEW_IMPORT_JSON when a file can not be read, CURFEW_IMPORT_REFUSED when the files contradict each other
 */
export function importSessions(files: readonly ShippedFile[]): Imported {
  const found = files.map(sessionResources)
  const resources = found.flatMap((one) => one.resources)
  refuseTwice(resources)
  const judged = resources.flatMap((resource) => {
    refuseShortMaximum(resource)
    return judge(resource)
  })
  const taken = new Map<string, Setting>()
  for (const { setting, reading } of judged) if (setting !== undefined && reading !== undefined) taken.set(setting, reading)
  // The form there keeps no state of its own unless it is told to; here it does.
  if ([...taken].some(([path, value]) => path.endsWith('.enabled') && value === false)) taken.set('signOn.sessionState', 'none')
  return { settings: nested(taken), lines: [...judged.map(({ reading: _, ...line }) => line), ...found.flatMap(({ lines }) => lines)] }
}

type Judged = ImportLine & { readonly reading?: Setting }

function judge(resource: SessionResource): readonly Judged[] {
  const known = fieldsOf[resource.kind]
  const source = resource.kind === 'source' ? nameOf(resource) : undefined
  return leavesOf(resource.tree).map(({ key, line, value, isOverridden }): Judged => {
    const one = Object.hasOwn(known, key) ? known[key] : undefined
    const at = { path: resource.path, line, key: source === undefined ? key : `${source}.${key}`, value }
    if (isOverridden) return { ...at, fate: 'unused', note: 'it stands once more below, and the last one counts' }
    if (one === undefined) return { ...at, fate: 'unknown', note: 'no documented field: find out what it did before you switch over' }
    return { ...at, ...fateOf(one, value, source) }
  })
}

function fateOf(one: ShippedKey, value: string, source: string | undefined): Pick<Judged, 'fate' | 'note' | 'setting' | 'reading'> {
  if (one.setting === undefined || one.read === undefined) return { fate: 'none', note: one.note }
  const isNamed = source === undefined || id.safeParse(source).success
  const setting = source === undefined ? one.setting : `sessions.sources.${isNamed ? source : '<id>'}.${one.setting}`
  if (value === '') return { fate: 'none', setting, note: 'empty: the default counts' }
  const reading = one.read(value)
  if (reading.kind === 'unreadable') return { fate: 'unreadable', setting, note: reading.why }
  if (isNamed) return { fate: 'taken', setting, note: one.note, reading: reading.value }
  const note =
    source === '' ? 'its authenticationSource names nothing' : `"${source}" can not be an id here: write it below the id of the source that takes its place`
  return { fate: 'by-hand', setting, note }
}

/** What the source of a policy is called; empty where it has no name. */
function nameOf({ tree }: SessionResource): string {
  const name = fieldOf(fieldOf(fieldOf(tree, 'authenticationSource'), 'sourceRef'), 'id')
  return name === undefined ? '' : shown(name)
}

interface Leaf {
  readonly key: string
  readonly line: number
  readonly value: string
  /** The same name stands once more below. */
  readonly isOverridden: boolean
}

/** Every field, those of objects inside with dots. */
function leavesOf(tree: JsonObject, prefix = '', isBelowOverridden = false): readonly Leaf[] {
  return tree.fields.flatMap(({ name, line, value }, i) => {
    const key = `${prefix}${name.replaceAll(/\p{Cc}/gu, ' ')}`
    const isOverridden = isBelowOverridden || tree.fields.some((other, j) => j > i && other.name === name)
    if (value.kind === 'object' && value.fields.length > 0) return leavesOf(value, `${key}.`, isOverridden)
    return [{ key, line, value: shown(value), isOverridden }]
  })
}

function shown(tree: JsonTree): string {
  if (tree.kind === 'object') return '{}'
  if (tree.kind === 'list') return tree.items.length === 0 ? '[]' : `[${tree.items.length}]`
  return tree.value === null ? '' : String(tree.value).replaceAll(/\p{Cc}/gu, ' ')
}

const names: Readonly<Record<ResourceKind, string>> = {
  global: '/session/authenticationSessionPolicies/global',
  settings: '/session/settings',
  application: '/session/applicationSessionPolicy',
  source: 'a policy of the source'
}

function refuseTwice(resources: readonly SessionResource[]): void {
  const seen = new Set<string>()
  for (const resource of resources) {
    const name = resource.kind === 'source' ? `${names.source} "${nameOf(resource)}"` : names[resource.kind]
    if (seen.has(name)) throw new CurfewError('CURFEW_IMPORT_REFUSED', { file: resource.path, why: `there is ${name} twice` })
    seen.add(name)
  }
}

/** The replaced product refuses it, too. */
function refuseShortMaximum({ kind, path, tree }: SessionResource): void {
  if (kind === 'application') return
  const minutes = (name: string): number => {
    const field = fieldOf(tree, name)
    return field?.kind === 'scalar' && field.value !== null ? Number(field.value) : Number.NaN
  }
  const idle = minutes('idleTimeoutMins')
  const max = minutes('maxTimeoutMins')
  if (idle === -1 || max === -1 || !(idle > max)) return
  throw new CurfewError('CURFEW_IMPORT_REFUSED', { file: path, why: `idleTimeoutMins (${idle}) is more than maxTimeoutMins (${max})` })
}
