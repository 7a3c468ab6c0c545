import { systemClock } from '../../platform/clock.ts'
import type { ToldEvent } from '../client.ts'
import { connect } from '../connect.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import type { FilterQuery } from '../filter-text.ts'
import { followEvents } from '../followed-events.ts'
import { dayLine, eventLine, gapLine } from '../tail-text.ts'
import { untilStopped } from '../until-stopped.ts'

export interface TailOptions {
  readonly filter?: FilterQuery
  readonly since?: number
  readonly follow: boolean
}

/** Events whose ids are remembered, so that none is printed twice. */
const rememberedMax = 20_000

/**
 * `curfew tail`: what happens, as it happens, until Ctrl+C. Where the server goes away it is asked again for what came
 * behind the last event; what it can not tell any more is said to be missing, and the exit code is 2 then.
 */
export async function tail(context: CommandContext, { filter, since, follow }: TailOptions): Promise<ExitCode> {
  const stop = new AbortController()
  void untilStopped().then(() => stop.abort())
  const printer = createPrinter(context)
  try {
    const query = { ...filter, sinceMs: since?.toString(), follow: follow ? undefined : 'false' }
    const note = (line: string): void => context.terminal.note(line)
    const deps = { client: connect(context), clock: systemClock, stop: stop.signal, note }
    await followEvents(deps, { query, isEndless: follow }, (told) => printer.print(told))
  } finally {
    printer.end()
  }
  return printer.hadGap() ? exitCode.partial : exitCode.done
}

interface Printer {
  print(told: ToldEvent): void
  /** Completes what was printed. */
  end(): void
  hadGap(): boolean
}

function createPrinter({ terminal, options }: CommandContext): Printer {
  const known = new Set<string>()
  const widthMax = terminal.isInteractive ? terminal.columns : Number.POSITIVE_INFINITY
  let lastMs = systemClock.nowMs()
  let gaps = 0
  let printed = 0
  const isNew = (id: string): boolean => {
    if (known.has(id)) return false
    known.add(id)
    const [oldest] = known
    if (known.size > rememberedMax && oldest !== undefined) known.delete(oldest)
    return true
  }
  const json = (value: object): void => {
    // One array, which can be read while it grows.
    const opening = options.ndjson === true ? '' : printed === 0 ? '[ ' : ', '
    terminal.out(opening + JSON.stringify(value))
    printed += 1
  }
  const text = (atMs: number, line: string): void => {
    const day = dayLine(atMs, lastMs, terminal)
    lastMs = atMs
    if (day !== undefined) terminal.out(day)
    terminal.out(line)
  }
  const isJson = options.json === true || options.ndjson === true
  return {
    print(told) {
      if (told.kind === 'position') return
      if (told.kind === 'gap') {
        gaps += 1
        if (isJson) json({ event: 'gap', ...told.gap })
        else text(told.gap.atMs, gapLine(told.gap, terminal, widthMax))
      } else if (isNew(told.event.id)) {
        if (isJson) json(told.event)
        else text(told.event.atMs, eventLine(told.event, terminal, widthMax))
      }
    },
    end() {
      if (options.ndjson !== true && options.json === true) terminal.out(printed === 0 ? '[]' : ']')
    },
    hadGap: () => gaps > 0
  }
}
