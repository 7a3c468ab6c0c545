import { CurfewError } from '@curfew/codecs'
import { type Imported, type ImportLine, nested, type Setting, type ShippedFile } from './imported.ts'
import { type Property, readProperties } from '../imports/properties.ts'
import type { ShippedKey } from './shipped-key.ts'
import { shippedFiles } from './shipped-keys.ts'

/**
 * Turns the files of one node into settings, and says of every entry what became of it.
 * @throws CURFEW_IMPORT_REFUSED when the files contradict each other
 */
export function importCluster(files: readonly ShippedFile[]): Imported {
  const entries = files.flatMap((file) => readProperties(file.text).map((property) => ({ file, ...property })))
  const mode = modeOf(files, entries)
  const judged = entries.map((entry) => judge(entry, { mode, entries }))
  const taken = new Map<string, Setting>(storeSettings(mode))
  for (const { setting, reading } of judged) {
    if (setting === undefined || reading === undefined) continue
    const known = taken.get(setting)
    taken.set(setting, setting === 'sessions.registryMinutes' ? Math.max(Number(known ?? 0), Number(reading)) : reading)
  }
  refuseShortAttributes(taken)
  return { settings: nested(taken), lines: judged.map(({ reading: _, ...line }) => line) }
}

interface Entry extends Property {
  readonly file: ShippedFile
}

interface Surroundings {
  readonly mode: ClusterMode
  readonly entries: readonly Entry[]
}

function judge(entry: Entry, { mode, entries }: Surroundings): ImportLine & { readonly reading?: Setting } {
  const { file, key, value, line } = entry
  const one = shippedFiles.get(file.name)?.get(key)
  const isOverridden = entries.some((other) => other.file === file && other.key === key && other.line > line)
  const fate = isOverridden ? { fate: 'unused' as const, note: 'it stands once more below, and the last one counts' } : fateOf(entry, one, mode)
  const setting = one?.setting === undefined ? {} : { setting: one.setting }
  return { path: file.path, line, key, value: one?.isSecret === true && value !== '' ? '(not shown)' : value, ...setting, ...fate }
}

/** How the replaced cluster kept its state; `alone`: it was none. */
type ClusterMode = 'alone' | 'adaptive' | 'directed'

function modeOf(files: readonly ShippedFile[], entries: readonly Entry[]): ClusterMode {
  const valueOf = (name: string): string | undefined => entries.findLast(({ file, key }) => file.name === 'run.properties' && key === name)?.value.toLowerCase()
  if (valueOf('pf.operational.mode') === 'standalone') return 'alone'
  const adaptive = valueOf('pf.cluster.adaptive')
  if (adaptive !== undefined) return adaptive === 'false' ? 'directed' : 'adaptive'
  if (!files.some(({ name }) => name.startsWith('cluster-') || name === 'run.properties')) return 'alone'
  return files.some(({ name }) => name === 'cluster-adaptive.conf') ? 'adaptive' : 'directed'
}

function storeSettings(mode: ClusterMode): readonly (readonly [string, Setting])[] {
  if (mode === 'alone') return []
  return [
    ['store.kind', 'redis'],
    ['store.redis.topology', mode === 'adaptive' ? 'cluster' : 'sentinel'],
    // Nobody but the operator knows the servers: without them nothing starts.
    ['store.redis.nodes', ['${env:CURFEW_REDIS_NODE}']]
  ]
}

function fateOf(
  { file, key, value }: Entry,
  one: ShippedKey | undefined,
  mode: ClusterMode
): Pick<ImportLine, 'fate' | 'note'> & { readonly reading?: Setting } {
  if (one === undefined) return isElsewhere(file.name, key) ? { fate: 'elsewhere', note: 'not about the cluster' } : { fate: 'unknown', note: undocumented }
  const isOfCluster = file.name.startsWith('cluster-') || key.startsWith('pf.cluster.')
  if (isOfCluster && mode === 'alone') return { fate: 'unused', note: 'pf.operational.mode is STANDALONE, so it counted for nothing' }
  if (one.clustering !== undefined && one.clustering !== mode)
    return { fate: 'unused', note: `adaptive clustering is ${mode === 'adaptive' ? 'on' : 'off'}, so it counted for nothing` }
  if (one.setting === undefined) return { fate: 'none', note: one.note }
  if (value === '') return { fate: 'none', note: 'empty: the default counts' }
  if (one.read === undefined) return { fate: 'by-hand', note: one.note }
  const reading = one.read(value)
  return reading.kind === 'unreadable' ? { fate: 'unreadable', note: reading.why } : { fate: 'taken', note: one.note, reading: reading.value }
}

const undocumented = 'no documented key of this file: find out what it did before you switch over'

function isElsewhere(file: string, key: string): boolean {
  return file === 'run.properties' && !key.startsWith('pf.cluster.')
}

/** AC-196: the replaced product asks for the same in a comment only. */
function refuseShortAttributes(taken: ReadonlyMap<string, Setting>): void {
  const attributeMinutes = Number(taken.get('sessions.attributeMinutes') ?? Number.POSITIVE_INFINITY)
  const registryMinutes = Number(taken.get('sessions.registryMinutes') ?? 0)
  if (attributeMinutes >= registryMinutes) return
  const why = `InterReqStateMgmtMapImpl.expiry.mins.attr.map (${attributeMinutes}) is less than the expiry of the registry (${registryMinutes})`
  throw new CurfewError('CURFEW_IMPORT_REFUSED', { file: 'size-limits.conf', why })
}
