import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly optionalDependencies?: Readonly<Record<string, string>>
        readonly resolved?: string
        readonly link?: boolean
        readonly hasInstallScript?: boolean
      }
    >
  >
}

/**
 * What is wrong with a lock file: optional platform packages that were not resolved (a later `npm ci` fails), addresses
 * of registries, packages with install scripts.
 */
export function lockProblems(lock: Lock): readonly string[] {
  const names = new Set(Object.keys(lock.packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)))
  const problems: string[] = []
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {}))
      if (!names.has(name)) problems.push(`${path || 'the root'} wants ${name}, which the lock file does not hold`)
    if (entry.resolved !== undefined && entry.link !== true) problems.push(`${path} names an address: ${entry.resolved}`)
    if (entry.hasInstallScript === true) problems.push(`${path} has an install script`)
  }
  return problems
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = lockProblems(JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as Lock)
  for (const problem of problems) console.error(problem)
  console.log(problems.length === 0 ? 'package-lock.json is complete' : `${problems.length} problems in package-lock.json`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
