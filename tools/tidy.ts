import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codecCatalogue } from '../packages/codecs/src/errors.ts'
import { catalogue } from '../packages/curfew/src/errors/catalogue.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Larger files belong somewhere else, generated and locked ones excepted. */
const bytesMax = 200_000

/** Words that must not stand in the repository, each in two parts so that this file may. */
const forbidden: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`\\b(${'TO'}${'DO'}|FIX${'ME'}|X${'XX'})\\b`), 'is left for later: finish it, or explain it where a user reads it'],
  [new RegExp(`\\.(${'on'}ly|sk${'ip'})\\(`), 'changes which tests run'],
  [new RegExp(`/${'work'}/|/${'farm'}/`), 'is a path of one machine'],
  [new RegExp(`registry\\.${'npmjs'}|deb\\.${'debian'}\\.org`), 'names a registry'],
  [new RegExp(`@ts-(${'ig'}nore|${'ex'}pect-error)`), 'silences the compiler']
]

function trackedFiles(): readonly string[] {
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  return [...new Set(listed.stdout.split('\n'))].filter((path) => path !== '' && existsSync(join(root, path)))
}

function wordProblems(files: readonly string[]): readonly string[] {
  const texts = files.filter((path) => /\.(ts|js|json|md|yaml|yml|sh|php|html|css)$|\.ci\/run$/.test(path) && path !== 'package-lock.json')
  return texts.flatMap((path) =>
    readFileSync(join(root, path), 'utf8')
      .split('\n')
      .flatMap((line, i) => forbidden.filter(([pattern]) => pattern.test(line)).map(([, why]) => `${path}:${i + 1} ${why}: ${line.trim().slice(0, 80)}`))
  )
}

function sizeProblems(files: readonly string[]): readonly string[] {
  return files
    .filter((path) => path !== 'package-lock.json' && statSync(join(root, path)).size > bytesMax)
    .map((path) => `${path} is larger than ${bytesMax} bytes`)
}

/** Every folder of the product says what it is for. */
function designProblems(): readonly string[] {
  const parents = ['packages/curfew/src', 'packages/codecs/src']
  const folders = parents.flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${parent}/${entry.name}`)
  )
  return [...folders, 'packages/sdk/src']
    .filter((folder) => !existsSync(join(root, folder, 'DESIGN.md')) && readdirSync(join(root, folder)).some((name) => name.endsWith('.ts')))
    .map((folder) => `${folder} has no DESIGN.md`)
}

/** Every error code has a page, every page a code. */
function errorPageProblems(): readonly string[] {
  const folder = join(root, 'docs/reference/errors')
  const codes = new Set([...Object.keys(codecCatalogue), ...Object.keys(catalogue)])
  const pages = new Set(
    readdirSync(folder)
      .filter((name) => name.startsWith('CURFEW_'))
      .map((name) => name.replace(/\.md$/, ''))
  )
  return [
    ...[...codes].filter((code) => !pages.has(code)).map((code) => `${code} has no page in docs/reference/errors`),
    ...[...pages].filter((page) => !codes.has(page)).map((page) => `docs/reference/errors/${page}.md is the page of no code`)
  ]
}

/** Codes that the sources use and no catalogue knows. */
function unknownCodeProblems(files: readonly string[]): readonly string[] {
  const codes = new Set([...Object.keys(codecCatalogue), ...Object.keys(catalogue)])
  const sources = files.filter((path) => /^(packages\/[^/]+\/src|demo)\/.*\.ts$/.test(path))
  return sources.flatMap((path) =>
    [...readFileSync(join(root, path), 'utf8').matchAll(/'(CURFEW_[A-Z0-9_]+)'/g)]
      .map(([, code = '']) => code)
      .filter((code) => !codes.has(code) && !/^CURFEW_(TEST|NO)_/.test(code))
      .map((code) => `${path} uses ${code}, which no catalogue knows`)
  )
}

/** Sources that nothing imports and that are no entry. */
function deadFileProblems(files: readonly string[]): readonly string[] {
  const all = files.filter((path) => path.endsWith('.ts'))
  const imported = new Set<string>()
  for (const path of all) {
    for (const [, target = ''] of readFileSync(join(root, path), 'utf8').matchAll(/(?:from|import|URL)\s*\(?\s*'(\.{1,2}\/[^']+\.ts)'/g))
      imported.add(relative(root, resolve(root, dirname(path), target)))
  }
  const entries = /\/src\/index\.ts$|\/src\/cli\/main\.ts$|\/writer\.ts$|^demo\/start\.ts$/
  return all
    .filter((path) => /^(packages\/[^/]+\/src|demo)\//.test(path) && !path.endsWith('.test.ts') && !imported.has(path) && !entries.test(path))
    .map((path) => `${path} is imported by nothing`)
}

function changelogProblems(): readonly string[] {
  const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  return /^## /m.test(text) && /^### (Security|Behaviour|Features|Internals)$/m.test(text) ? [] : ['CHANGELOG.md has no version with groups']
}

const files = trackedFiles()
const problems = [
  ...wordProblems(files),
  ...sizeProblems(files),
  ...designProblems(),
  ...errorPageProblems(),
  ...unknownCodeProblems(files),
  ...deadFileProblems(files),
  ...changelogProblems()
]
for (const problem of problems) console.error(problem)
console.log(problems.length === 0 ? `${files.length} files are tidy` : `${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
