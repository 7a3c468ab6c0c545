import type { CommandContext } from './context.ts'
import { type ExitCode, exitCode } from './exit-code.ts'

/** Which part of a list is wanted. */
export interface PageOptions {
  readonly limit?: number
  readonly cursor?: string
}

export interface ListPage<T> {
  readonly items: readonly T[]
  readonly nextCursor?: string
}

/** Asks the API for one page. */
export type AskPage<T> = (page: { readonly limit: string; readonly cursor: string | undefined }) => Promise<ListPage<T>>

/** Lines of a list for people, where nothing else was said. */
const linesDefault = 50
/** Entries that one call brings. */
const pageSize = 500

/**
 * Prints a list: for people the newest lines and how to go on; for programs all of it. Where a program says `--limit` or
 * `--cursor`, it gets that one page with its `nextCursor`, as the API gives it (with `--ndjson` as a last line).
 */
export async function listed<T>(
  { terminal, options }: CommandContext,
  wanted: PageOptions,
  ask: AskPage<T>,
  print: (page: ListPage<T>) => void
): Promise<ExitCode> {
  const isProgram = options.json === true || options.ndjson === true
  const isWhole = isProgram && wanted.limit === undefined && wanted.cursor === undefined
  const pages = pagesOf(ask, isWhole ? Number.POSITIVE_INFINITY : (wanted.limit ?? linesDefault), wanted.cursor)
  const items: T[] = []
  let next: string | undefined
  for await (const page of pages) {
    if (options.ndjson === true) for (const item of page.items) terminal.out(JSON.stringify(item))
    else items.push(...page.items)
    next = page.nextCursor
  }
  const more = next === undefined ? {} : { nextCursor: next }
  if (options.ndjson === true) {
    if (next !== undefined) terminal.out(JSON.stringify(more))
  } else if (options.json === true) terminal.out(JSON.stringify(isWhole ? items : { items, ...more }, null, 2))
  else print({ items, ...more })
  return exitCode.done
}

/** A page may be shorter than was asked for and not the last one. */
async function* pagesOf<T>(ask: AskPage<T>, max: number, from: string | undefined): AsyncGenerator<ListPage<T>> {
  let cursor = from
  let left = max
  do {
    const page = await ask({ limit: String(Math.min(left, pageSize)), cursor })
    left -= page.items.length
    cursor = page.nextCursor
    yield page
  } while (cursor !== undefined && left > 0)
}
