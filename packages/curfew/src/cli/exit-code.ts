/** Exit codes of the command line; scripts may rely on them. */
export const exitCode = {
  done: 0,
  failed: 1,
  /** Done with warnings, or a logout that not everyone confirmed. */
  partial: 2,
  notFound: 3,
  needsInput: 4,
  notPermitted: 5,
  usage: 64,
  serverUnreachable: 69,
  /** A fault of this program itself. */
  unexpected: 70,
  /** Configuration or runtime version wrong: do not restart. */
  configuration: 78
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]
