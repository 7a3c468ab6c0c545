import type { DraftLine, Verdict } from './draft.ts'

/** Says of one thing after the other what became of it. */
export interface Report {
  readonly lines: readonly DraftLine[]
  readonly say: (verdict: Verdict, what: string, note: string, setting?: string) => void
}

export function createReport(about: string): Report {
  const lines: DraftLine[] = []
  return {
    lines,
    say: (verdict, what, note, setting) => void lines.push({ about, what, verdict, note, ...(setting === undefined ? {} : { setting }) })
  }
}

/** What stands above an entry: all that a person has to look at. */
export function commentsOf({ lines }: Pick<Report, 'lines'>): readonly string[] {
  return lines.flatMap(({ what, verdict, note }) => (verdict === 'approximated' || verdict === 'unsupported' ? [`${verdict}: ${what}: ${note}`] : []))
}
