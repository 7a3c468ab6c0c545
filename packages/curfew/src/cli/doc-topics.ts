import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nearest } from '../config/nearest.ts'

/** One page of the documentation. */
export interface DocTopic {
  /** `how-to/tls`, `CURFEW_RUN_DEADLINE`. */
  readonly name: string
  readonly title: string
  readonly file: string
}

/** The pages that come with the program: beside the bundle, or in the repository. */
const places = ['./docs/', '../../../../docs/']

/** The folder of the pages. @throws TypeError when they were taken out of the program */
export function docsFolder(): string {
  const found = places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((folder) => existsSync(join(folder, 'how-to')))
  if (found === undefined) throw new TypeError('the documentation is not beside this program')
  return found
}

/** Where the pages are that people read from the beginning. */
const folders: readonly string[] = ['.', 'concepts', 'how-to', 'reference']

/** Every page but those of error codes, in the order of the folders. */
export function docTopics(root: string): readonly DocTopic[] {
  return folders.flatMap((folder) =>
    globSync('*.md', { cwd: join(root, folder) })
      .sort()
      .map((name) => topicOf(folder === '.' ? name.slice(0, -3) : `${folder}/${name.slice(0, -3)}`, join(root, folder, name)))
  )
}

function topicOf(name: string, file: string): DocTopic {
  return { name, title: titleOf(readFileSync(file, 'utf8')), file }
}

function titleOf(text: string): string {
  return /^# (.*)$/m.exec(text)?.[1] ?? ''
}

/** What a word may mean: a whole name, the last part of one, or an error code. Several, where it is the last part of several. */
export function findTopics(root: string, word: string): readonly DocTopic[] {
  if (/^CURFEW_[A-Z0-9_]{1,60}$/.test(word)) {
    const file = join(root, 'reference/errors', `${word}.md`)
    return existsSync(file) ? [topicOf(word, file)] : []
  }
  const plain = word
    .toLowerCase()
    .replace(/^docs\//, '')
    .replace(/\.md$/, '')
  const all = docTopics(root)
  const exact = all.filter(({ name }) => name === plain)
  return exact.length > 0 ? exact : all.filter(({ name }) => name.endsWith(`/${plain}`))
}

/** The topic whose name is closest to a word. */
export function nearestTopic(root: string, word: string): string | undefined {
  const codes = word.startsWith('CURFEW_') ? globSync('*.md', { cwd: join(root, 'reference/errors') }).map((name) => name.slice(0, -3)) : []
  const names = docTopics(root).flatMap(({ name }) => [name, name.split('/').at(-1) ?? name])
  return nearest(word, [...codes, ...names])
}
