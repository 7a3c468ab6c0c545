import type { Document } from 'yaml'
import type { LoadedConfig } from './load.ts'
import { withoutSecrets } from './shown-setting.ts'

/** One effective setting with where it comes from. */
export interface ExplainedSetting {
  readonly path: string
  readonly value: unknown
  /** `curfew.yaml:12`, `env NAME`, `file path`, `preset NAME` or `default`. */
  readonly origin: string
}

/** Every effective setting, one line each; secrets are not shown. */
export function explainConfig(loaded: LoadedConfig): readonly ExplainedSetting[] {
  const out: ExplainedSetting[] = []
  const walk = (value: unknown, path: readonly (string | number)[]): void => {
    if (value === undefined) return
    if (typeof value === 'object' && value !== null && (Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0)) {
      for (const [key, item] of Object.entries(value)) walk(item, [...path, Array.isArray(value) ? Number(key) : key])
      return
    }
    const dotted = path.join('.')
    out.push({ path: dotted, value: withoutSecrets(value, path), origin: originOf(loaded, path) })
  }
  walk(loaded.config, [])
  return out
}

function originOf({ origins, presets, document, lines, file }: LoadedConfig, path: readonly (string | number)[]): string {
  const secret = origins.get(path.join('.'))
  if (secret !== undefined) return secret.kind === 'env' ? `env ${secret.name}` : `file ${secret.path}`
  const preset = path.map((_, i) => presets.get(path.slice(0, i + 1).join('.'))).find((name) => name !== undefined)
  if (preset !== undefined) return `preset ${preset}`
  const offset = rangeOf(document, path)
  return offset === undefined ? 'default' : `${file}:${lines.linePos(offset).line}`
}

function rangeOf(document: Document, path: readonly (string | number)[]): number | undefined {
  const node = document.getIn(path, true) as { range?: readonly number[] | null } | undefined
  return node?.range?.[0]
}
