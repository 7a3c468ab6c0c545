import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { attackClasses } from '../attacks/classes/index.ts'
import { registerProblems } from '../attacks/named-test.ts'
import { codecCatalogue } from '../packages/codecs/src/errors.ts'
import { catalogue } from '../packages/curfew/src/errors/catalogue.ts'
import {
  changelogProblems,
  codeProblems,
  deadFileProblems,
  designProblems,
  errorPageProblems,
  linkProblems,
  sizeProblems,
  wordProblems
} from './house-rules.ts'
import { layerProblems } from './layers.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const isText = /\.(ts|js|json|md|yaml|yml|sh|php|html|css|conf)$|\.ci\/run$/

/** Files that git holds or would add. */
function repositoryFiles(): readonly string[] {
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  if (listed.status !== 0) throw new Error(`git ls-files failed: ${listed.stderr}`)
  return [...new Set(listed.stdout.split('\n'))].filter((path) => path !== '' && existsSync(join(root, path)))
}

const files = repositoryFiles()
const sources = new Map(
  files.filter((path) => isText.test(path) && path !== 'package-lock.json').map((path) => [path, readFileSync(join(root, path), 'utf8')] as const)
)
const codes = new Set([...Object.keys(codecCatalogue), ...Object.keys(catalogue)])
const problems = [
  ...wordProblems(sources),
  ...sizeProblems(new Map(files.map((path) => [path, statSync(join(root, path)).size] as const))),
  ...designProblems(files),
  ...layerProblems(sources),
  ...errorPageProblems(codes, sources),
  ...codeProblems(codes, sources),
  ...deadFileProblems(sources),
  ...registerProblems(attackClasses, (path) => sources.get(path)),
  ...changelogProblems(sources.get('CHANGELOG.md') ?? ''),
  ...linkProblems(sources, (path) => existsSync(join(root, path)))
]
for (const problem of problems) console.log(problem)
console.log(problems.length === 0 ? `${files.length} files are tidy` : `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`)
process.exitCode = problems.length === 0 ? 0 : 1
