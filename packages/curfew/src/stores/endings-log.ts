/** `told`: kept for as long as it may matter. `unsigned`: what anybody can send; the newest of a bounded number. */
export type EndingKind = 'told' | 'unsigned'

/** A log that several gateways write to and read from its beginning on; what is in it are texts of theirs. */
export interface EndingsLog {
  /** @throws CURFEW_STORE_UNREACHABLE when it is not certain that the log has it */
  append(kind: EndingKind, text: string): Promise<void>
  close(): Promise<void>
}

/** What the log is read into; a text may come more than once, and in any order. */
export interface EndingsReader {
  take(texts: readonly string[]): void
  /** Everything that was in the log at that moment, in steady time, has been handed over. */
  complete(atMs: number): void
  onProblem(error: unknown): void
}
