import type { SecretOrigin } from './secrets.ts'

/** Settings that are secrets, wherever they stand: by their last name. */
const secretNames = /^(?:token|pushToken|password|bindPassword|clientSecret)$/
const longest = 60

/** What stands in the place of a secret. */
export const secretMark = '[secret]'

type Path = readonly (string | number)[]
type Origins = ReadonlyMap<string, SecretOrigin>

const written: Origins = new Map()

/**
 * A value of the configuration as it may be printed: settings that are secrets by their name are a mark; so is the password in
 * an address (`redis://user:password@host`).
 *
 * @param origins - what was taken out of the environment or a file is named by it, in the place of the value
 */
export function withoutSecrets(value: unknown, path: Path, origins: Origins = written): unknown {
  if (Array.isArray(value)) return value.map((item, i) => withoutSecrets(item, [...path, i], origins))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecrets(item, [...path, key], origins)]))
  if (value === undefined) return undefined
  const name = path.findLast((part) => typeof part === 'string') ?? ''
  const origin = origins.get(path.join('.'))
  if (origin !== undefined) return origin.kind === 'env' ? `\${env:${origin.name}}` : `\${file:${origin.path}}`
  if (secretNames.test(String(name))) return secretMark
  return typeof value === 'string' ? value.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@\s]*?:)\S*(?=@)/i, `$1${secretMark}`) : value
}

/** The same in quotation marks, cut where it is long, for a sentence about a setting that can not be used: one that is wrong may stand in the wrong place. */
export function shownSetting(value: unknown, path: Path, origins: Origins): string {
  const text = JSON.stringify(withoutSecrets(value, path, origins)) ?? 'nothing'
  return text.length > longest ? `${text.slice(0, longest - 3)}...` : text
}
