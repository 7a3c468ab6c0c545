import type { LoadedConfig } from './load.ts'
import { withoutSecrets } from './shown-setting.ts'

/** One effective setting, as it may be shown: secrets, and what came out of the environment or a file, are named and not told. */
export interface ShownConfigSetting {
  /** `sessions.idleMinutes`; entries of a list go by their id where they have one: `connections[payroll].name`. */
  readonly path: string
  readonly value: string | number | boolean | null | never[] | Record<string, never>
}

/** Every effective setting in the order of the configuration. */
export function shownConfig({ config, origins }: Pick<LoadedConfig, 'config' | 'origins'>): readonly ShownConfigSetting[] {
  const out: ShownConfigSetting[] = []
  const walk = (value: unknown, path: string): void => {
    if (value === undefined) return
    if (!isFilled(value)) out.push({ path, value: value as ShownConfigSetting['value'] })
    else if (Array.isArray(value)) {
      const ids = idsOf(value)
      for (const [i, item] of value.entries()) walk(item, ids === undefined ? `${path}.${i}` : `${path}[${ids[i]}]`)
    } else for (const [key, item] of Object.entries(value)) walk(item, path === '' ? key : `${path}.${key}`)
  }
  walk(withoutSecrets(config, [], origins), '')
  return out
}

function isFilled(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}

/** What the entries of a list are called, where each has a name of its own. */
function idsOf(list: readonly unknown[]): readonly string[] | undefined {
  const ids = list.flatMap((item) => (typeof item === 'object' && item !== null && 'id' in item && typeof item.id === 'string' ? [item.id] : []))
  return new Set(ids).size === list.length ? ids : undefined
}

/** One difference between two configurations. */
export interface ConfigChange {
  readonly change: 'added' | 'removed' | 'changed'
  /** An entry of a list that is new or gone stands for all of its settings. */
  readonly path: string
  readonly from?: ShownConfigSetting['value']
  readonly to?: ShownConfigSetting['value']
}

/** What leads from one configuration to the other, in the order of both. */
export function configChanges(from: readonly ShownConfigSetting[], to: readonly ShownConfigSetting[]): readonly ConfigChange[] {
  const [before, after] = [valuesOf(from), valuesOf(to)]
  const [entriesBefore, entriesAfter] = [entriesOf(from), entriesOf(to)]
  const changes = new Map<string, ConfigChange>()
  for (const { path, value } of from) {
    const entry = entryOf(path)
    const now = after.get(path)
    if (entry !== undefined && !entriesAfter.has(entry)) changes.set(entry, { change: 'removed', path: entry })
    else if (now === undefined) changes.set(path, { change: 'removed', path, from: value })
    else if (JSON.stringify(now.value) !== JSON.stringify(value)) changes.set(path, { change: 'changed', path, from: value, to: now.value })
  }
  for (const { path, value } of to) {
    const entry = entryOf(path)
    if (entry !== undefined && !entriesBefore.has(entry)) changes.set(entry, { change: 'added', path: entry })
    else if (!before.has(path)) changes.set(path, { change: 'added', path, to: value })
  }
  return [...changes.values()]
}

function valuesOf(settings: readonly ShownConfigSetting[]): ReadonlyMap<string, ShownConfigSetting> {
  return new Map(settings.map((setting) => [setting.path, setting]))
}

/** `connections[payroll]` of a setting in there. */
function entryOf(path: string): string | undefined {
  return /^[^[]*\[[^\]]*\]/.exec(path)?.[0]
}

function entriesOf(settings: readonly ShownConfigSetting[]): ReadonlySet<string> {
  return new Set(settings.flatMap(({ path }) => entryOf(path) ?? []))
}
