import type { Browser } from 'playwright-core'
import { type BrowserMode, createVisitor, type Visitor } from './visitor.ts'

/** What a journey works with, whichever part of the run it belongs to. */
export interface WalkTools {
  readonly visitor: Visitor
  check(what: string, isGood: boolean): void
  /** Adds to what the table shows for a place. */
  note(id: string, text: string): void
}

/** What became of a journey. */
export interface Walked {
  /** What did not hold. */
  readonly failures: readonly string[]
  /** Per place: what was seen there, one text per look. */
  readonly seen: ReadonlyMap<string, readonly string[]>
}

/** Walks one journey in a browser profile of its own, and says how it went. A journey that throws has failed by that. */
export async function walkJourney(browser: Browser, mode: BrowserMode, title: string, run: (tools: WalkTools) => Promise<void>): Promise<Walked> {
  const visitor = await createVisitor(browser, mode)
  const failures: string[] = []
  const seen = new Map<string, string[]>()
  const startedMs = performance.now()
  try {
    await run({
      visitor,
      check: (what, isGood) => void (isGood || failures.push(what)),
      note: (id, text) => void seen.set(id, [...(seen.get(id) ?? []), text])
    })
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error))
  } finally {
    await visitor.close()
  }
  console.log(`  ${failures.length === 0 ? 'ok  ' : 'FAIL'}  ${title}  ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  for (const failure of failures) console.log(`        ${failure}`)
  return { failures, seen }
}
