import { posix } from 'node:path'

/** Larger files belong somewhere else, the lock file excepted. */
export const fileBytesMax = 200_000

/** Texts of the repository by path from its root. */
export type Sources = ReadonlyMap<string, string>

interface Rule {
  readonly pattern: RegExp
  readonly why: string
  /** Where the rule holds; everywhere without it. */
  readonly within?: RegExp
}

/** What must not stand in the repository; words in two parts, so that this file may hold them. */
const forbidden: readonly Rule[] = [
  { pattern: new RegExp(`\\b(${'TO'}${'DO'}|FIX${'ME'}|X${'XX'})\\b`), why: 'is left for later: finish it, or explain it where a user reads it' },
  { pattern: new RegExp(`\\.(${'on'}ly|sk${'ip'})\\(|\\b${'on'}ly: true`), why: 'changes which tests run', within: /\.ts$/ },
  { pattern: new RegExp(`/${'work'}/|/${'farm'}/|['"\`]/${'tmp'}/|/${'home'}/[a-z]`), why: 'is a path of one machine' },
  { pattern: new RegExp(`registry\\.${'npmjs'}|registry\\.${'yarnpkg'}|deb\\.${'debian'}\\.org`), why: 'names a registry' },
  { pattern: new RegExp(`@ts-(${'ig'}nore|${'ex'}pect-error|${'no'}check)|${'oxlint'}-disable|${'eslint'}-disable|${'biome'}-ignore`), why: 'silences a tool' },
  {
    pattern: /\b(Date\.now|Math\.random|performance\.now|Temporal\.Now|new Date\(\))/,
    why: 'reads a clock or a die of its own: take it as an argument',
    within: ambient()
  },
  {
    pattern: /from 'oidc-provider'|import\('oidc-provider'\)/,
    why: 'goes around authority/oidc, which wraps the engine',
    within: /^packages\/curfew\/src\/(?!authority\/oidc\/)/
  },
  { pattern: /\b(randomBytes|randomUUID|randomInt|getRandomValues)\b.*from 'node:crypto'|(?<![.\w])fetch\(/, why: 'goes around platform/', within: ambient() }
]

/** The published sources, without the two folders that may touch ambient things. */
function ambient(): RegExp {
  return /^packages\/(?:codecs|sdk)\/src\/.*\.ts$|^packages\/curfew\/src\/(?!platform\/|cli\/).*\.ts$/
}

/** Lines that hold something forbidden. */
export function wordProblems(sources: Sources): readonly string[] {
  return [...sources].flatMap(([path, text]) => {
    const rules = forbidden.filter(({ within }) => within?.test(path) ?? true)
    return text
      .split('\n')
      .flatMap((line, i) => rules.filter(({ pattern }) => pattern.test(line)).map(({ why }) => `${path}:${i + 1} ${why}: ${line.trim().slice(0, 80)}`))
  })
}

/** Files above the limit, by their sizes in bytes. */
export function sizeProblems(sizes: ReadonlyMap<string, number>): readonly string[] {
  return [...sizes]
    .filter(([path, size]) => path !== 'package-lock.json' && size > fileBytesMax)
    .map(([path]) => `${path} is larger than ${fileBytesMax} bytes`)
}

/** Every folder of the product and of the codecs says what it is for. */
export function designProblems(paths: readonly string[]): readonly string[] {
  const folders = new Set(paths.flatMap((path) => /^(packages\/(?:curfew|codecs)\/src\/[^/]+|packages\/sdk\/src)\/.*\.ts$/.exec(path)?.[1] ?? []))
  return [...folders].filter((folder) => !paths.includes(`${folder}/DESIGN.md`)).map((folder) => `${folder} has no DESIGN.md`)
}

const pageFolder = 'docs/reference/errors/'

/** Every error code has a page, every page a code, and a page says cause, check and fix. */
export function errorPageProblems(codes: ReadonlySet<string>, sources: Sources): readonly string[] {
  const pages = [...sources].filter(([path]) => path.startsWith(`${pageFolder}CURFEW_`))
  const names = new Set(pages.map(([path]) => posix.basename(path, '.md')))
  const incomplete = pages.flatMap(([path, text]) => {
    const missing = ['Cause', 'Check', 'Fix'].filter((title) => !new RegExp(`^## ${title}\\n+[^#\\n]`, 'm').test(text))
    const isNamed = text.startsWith(`# ${posix.basename(path, '.md')}\n`)
    return [...missing.map((title) => `${path} has nothing under "${title}"`), ...(isNamed ? [] : [`${path} does not begin with its code`])]
  })
  return [
    ...[...codes].filter((code) => !names.has(code)).map((code) => `${code} has no page in ${pageFolder}`),
    ...[...names].filter((name) => !codes.has(name)).map((name) => `${pageFolder}${name}.md is the page of no code`),
    ...incomplete
  ]
}

/** Codes that the sources use and no catalogue knows, and codes of a catalogue that nothing uses. */
export function codeProblems(codes: ReadonlySet<string>, sources: Sources): readonly string[] {
  const product = [...sources].filter(([path]) => /^(packages\/[^/]+\/src|demo)\/.*\.ts$/.test(path))
  const used = product.flatMap(([path, text]) => [...text.matchAll(/'(CURFEW_[A-Z0-9]+_[A-Z0-9_]+)'/g)].map(([, code = '']) => ({ path, code })))
  const unknown = used.filter(({ code }) => !codes.has(code)).map(({ path, code }) => `${path} uses ${code}, which no catalogue knows`)
  const known = new Set(used.map(({ code }) => code))
  return [...unknown, ...[...codes].filter((code) => !known.has(code)).map((code) => `${code} is in a catalogue and nothing uses it`)]
}

/** Sources that nothing imports and that are no entry. */
export function deadFileProblems(sources: Sources): readonly string[] {
  const imported = new Set(
    [...sources]
      .filter(([path]) => path.endsWith('.ts'))
      .flatMap(([path, text]) =>
        [...text.matchAll(/(?:from|import|URL)\s*\(?\s*'(\.{1,2}\/[^']+\.ts)'/g)].map(([, target = '']) => posix.join(posix.dirname(path), target))
      )
  )
  const entries = /\/src\/index\.ts$|\/src\/cli\/main\.ts$|\/writer\.ts$|^demo\/start\.ts$|\/test\//
  return [...sources.keys()]
    .filter((path) => /^(packages\/[^/]+\/src|demo)\/.*\.ts$/.test(path) && !imported.has(path) && !entries.test(path))
    .map((path) => `${path} is imported by nothing`)
}

const changelogGroups = ['Security', 'Behaviour', 'Features', 'Internals']

/** Versions as second headings, below each the four groups in their order and nothing else. */
export function changelogProblems(text: string): readonly string[] {
  const versions = text.split(/^## /m).slice(1)
  if (versions.length === 0) return ['CHANGELOG.md names no version']
  return versions.flatMap((version) => {
    const name = version.split('\n')[0] ?? ''
    const groups = [...version.matchAll(/^### (.*)$/gm)].map(([, group = '']) => group)
    const order = changelogGroups.filter((group) => groups.includes(group))
    const isGood = groups.length > 0 && groups.join() === order.join()
    return [
      ...(/^\d+\.\d+\.\d+(, |$)/.test(name) ? [] : [`CHANGELOG.md: "${name}" is not a version`]),
      ...(isGood ? [] : [`CHANGELOG.md: ${name} needs groups out of ${changelogGroups.join(', ')}, in this order`])
    ]
  })
}

/** Links between documents that lead nowhere; `exists` answers for files and folders. */
export function linkProblems(sources: Sources, exists: (path: string) => boolean): readonly string[] {
  return [...sources]
    .filter(([path]) => path.endsWith('.md'))
    .flatMap(([path, text]) =>
      [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !exists(posix.join(posix.dirname(path), target)))
        .map((target) => `${path} links to ${target}, which is not there`)
    )
}
