const delayMsMin = 250
const delayMsMax = 30_000

/** How long a worker that ended is left alone: doubled with every end in a row that came soon after its start. */
export function restartDelayMs(failures: number): number {
  return Math.min(delayMsMax, delayMsMin * 2 ** Math.min(20, Math.max(0, failures - 1)))
}
