import type { z } from 'zod'
import type { Finding } from './finding.ts'
import { brand } from './server-schema.ts'

/** One thing that is wrong with what the brand names. */
export interface BrandProblem extends Pick<Finding, 'code' | 'what' | 'fix'> {
  /** Below `brand`. */
  readonly path: readonly string[]
  /** Where it stands, when that is in another file than the configuration. */
  readonly place?: Pick<Finding, 'file' | 'line' | 'column' | 'path'>
}

/** The brand without the settings that the schema does not accept, so that those do not hide what else is wrong. */
export function usableBrand(raw: unknown): z.output<typeof brand> | undefined {
  const first = brand.safeParse(raw ?? {})
  if (first.success) return first.data
  const rest: unknown = structuredClone(raw)
  for (const issue of first.error.issues) {
    const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
    for (const path of paths) remove(rest, path)
  }
  return brand.safeParse(rest).data
}

function remove(from: unknown, path: readonly PropertyKey[]): void {
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined), from)
  const last = path.at(-1)
  if (typeof parent === 'object' && parent !== null && last !== undefined) Reflect.deleteProperty(parent, last)
}
