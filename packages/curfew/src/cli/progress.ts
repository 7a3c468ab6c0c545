import type { Terminal } from './terminal.ts'

/** How long work goes on, for whoever waits for it. */
export interface Progress {
  show(count: number, total: number, what: string): void
  /** Takes the line away. */
  done(): void
}

/** Where a line can not take the place of the former one, so often there is a new one. */
const lineEveryMs = 10_000

/** `12,000 of 100,000 sessions ended, about 2 min left`, on standard error. */
export function createProgress(terminal: Terminal, nowMs: () => number = () => performance.now()): Progress {
  const startedAtMs = nowMs()
  let shownAtMs = startedAtMs
  return {
    show(count, total, what) {
      const atMs = nowMs()
      if (!terminal.canRewrite && atMs - shownAtMs < lineEveryMs) return
      shownAtMs = atMs
      const leftMs = count === 0 ? undefined : ((atMs - startedAtMs) * (total - count)) / count
      const text = `${count.toLocaleString('en')} of ${total.toLocaleString('en')} ${what}${leftMs === undefined || leftMs < 1_000 ? '' : `, about ${durationText(leftMs)} left`}`
      if (terminal.canRewrite) terminal.rewrite(text)
      else terminal.note(text)
    },
    done() {
      if (terminal.canRewrite) terminal.rewrite('')
    }
  }
}

function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1_000)
  return seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
}
