import type { FaultCase } from './cases.ts'
import type { Verdict } from './judge.ts'
import type { Told } from './told.ts'

/** Nothing that was acknowledged is lost where a copy was left, nobody who was signed out is let in, every run ends, and tells the truth. */
export function isGood({ mayLose }: Pick<FaultCase, 'mayLose'>, { acknowledged, lost, accepted, openRuns, told }: Verdict): boolean {
  const isTrue = told === undefined || (told.outcomes > 0 && told.tooGood === 0 && told.afterOutcome === 0)
  return acknowledged > 0 && (lost === 0 || mayLose !== undefined) && accepted === 0 && openRuns === 0 && isTrue
}

/** One fault, after its rounds. */
export interface Row {
  readonly one: FaultCase
  readonly verdict: Verdict
  readonly rounds: number
}

export function lineOf({ one: { id, mayLose }, verdict, rounds }: Row): string {
  const { acknowledged, lost, degraded, degradedLost, accepted, degradedAccepted, openRuns, waitMs, refused } = verdict
  const words = Object.entries(refused).map(([code, count]) => `${count} ${code}`)
  return [
    `${id}: ${rounds} rounds`,
    `${acknowledged} facts acknowledged, ${lost} lost${mayLose === undefined ? '' : ` (${mayLose})`}`,
    `${degraded} degraded, ${degradedLost} lost`,
    `${accepted} let in after the end, ${degradedAccepted} where that was degraded`,
    `${openRuns} runs open`,
    ...(verdict.told === undefined ? [] : [wordsOf(verdict.told)]),
    `${(waitMs / 1000).toFixed(1)} s longest wait`,
    words.length === 0 ? 'nothing refused' : `refused: ${words.join(', ')}`
  ].join('; ')
}

function wordsOf({ outcomes, tooGood, afterOutcome, repeats, unlike }: Told): string {
  const worse = unlike === 0 ? [] : [`${unlike} worse than they need be`]
  return [
    `${outcomes} outcomes`,
    `${tooGood} better than the application's own record`,
    ...worse,
    `${afterOutcome} asked after it`,
    `${repeats} asked twice`
  ].join(', ')
}

export const head = [
  '| fault | rounds | facts acknowledged, lost | acknowledged as `degraded`, lost | let in after the end | runs left open | longest wait of a caller | what an operator sees |',
  '| --- | --- | --- | --- | --- | --- | --- | --- |'
]

/** What a row of the document says: its verdict, without what callers were told, and its rounds. */
export function readCells(line: string): { readonly verdict: Verdict; readonly rounds: number } {
  const [, rounds = '', facts = '', weak = '', ends = '', openRuns = '', wait = ''] = line.slice(2).split(' | ')
  const [acknowledged = 0, lost = 0] = numbersOf(facts)
  const [degraded = 0, degradedLost = 0] = numbersOf(weak)
  const [accepted = 0, degradedAccepted = 0] = numbersOf(ends)
  const [open = 0] = numbersOf(openRuns)
  const told = openRuns.includes(';') ? { told: readTold(openRuns) } : {}
  const verdict = { acknowledged, lost, degraded, degradedLost, accepted, degradedAccepted, openRuns: open, refused: {}, ...told }
  return { verdict: { ...verdict, waitMs: Math.round(Number.parseFloat(wait) * 1000) }, rounds: Number(rounds) }
}

/** What {@link wordsOf} wrote. */
function readTold(text: string): Told {
  const before = (words: string): number => Number(new RegExp(`(\\d+) ${words}`).exec(text)?.[1] ?? 0)
  return {
    outcomes: before('outcomes'),
    tooGood: before('better'),
    unlike: before('worse'),
    afterOutcome: before('asked after'),
    repeats: before('asked twice')
  }
}

function numbersOf(cell: string): readonly number[] {
  return [...cell.matchAll(/\d+/g)].map(([digits]) => Number(digits))
}

/** The row of the document. */
export function cellsOf({ one: { what, sees, mayLose }, verdict, rounds }: Row): string {
  const { acknowledged, lost, degraded, degradedLost, accepted, degradedAccepted, openRuns, waitMs } = verdict
  const cells = [
    what,
    String(rounds),
    `${acknowledged}, ${lost}${mayLose === undefined ? '' : ` (${mayLose})`}`,
    degraded === 0 ? '-' : `${degraded}, ${degradedLost}`,
    degradedAccepted === 0 ? String(accepted) : `${accepted}; ${degradedAccepted} where the end was \`degraded\``,
    verdict.told === undefined ? String(openRuns) : `${openRuns}; ${wordsOf(verdict.told)}`,
    `${(waitMs / 1000).toFixed(1)} s`,
    sees
  ]
  return `| ${cells.join(' | ')} |`
}
