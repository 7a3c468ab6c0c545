import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export type SecretOrigin = { readonly kind: 'env'; readonly name: string } | { readonly kind: 'file'; readonly path: string }

export interface SecretProblem {
  readonly path: readonly (string | number)[]
  readonly what: string
  readonly fix: string
}

export interface ResolvedSecrets {
  readonly value: unknown
  /** By dotted path. */
  readonly origins: ReadonlyMap<string, SecretOrigin>
  readonly problems: readonly SecretProblem[]
}

/** Replaces `${env:NAME}` and `${file:path}` anywhere in a text; nothing else is ever evaluated. */
export function resolveSecrets(
  value: unknown,
  options: { readonly environment: Readonly<Record<string, string | undefined>>; readonly folder: string }
): ResolvedSecrets {
  const origins = new Map<string, SecretOrigin>()
  const problems: SecretProblem[] = []
  const walk = (current: unknown, path: readonly (string | number)[]): unknown => {
    if (typeof current === 'string') return replace(current, path)
    if (Array.isArray(current)) return current.map((item, i) => walk(item, [...path, i]))
    if (typeof current !== 'object' || current === null) return current
    return Object.fromEntries(Object.entries(current).map(([key, item]) => [key, walk(item, [...path, key])]))
  }
  const replace = (text: string, path: readonly (string | number)[]): string =>
    text.replace(/\$\{(env|file):([^}]{1,200})\}/g, (whole, kind: string, name: string) => {
      const found = kind === 'env' ? options.environment[name] : readSecret(resolve(options.folder, name))
      if (found === undefined) {
        const what = kind === 'env' ? `the environment has no variable ${name}.` : `there is no file ${name}.`
        problems.push({ path, what, fix: kind === 'env' ? `Set ${name} before starting.` : 'Write the secret into that file, readable by this user only.' })
        return whole
      }
      origins.set(path.join('.'), kind === 'env' ? { kind: 'env', name } : { kind: 'file', path: name })
      return found
    })
  return { value: walk(value, []), origins, problems }
}

function readSecret(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}
