import { setTimeout } from 'node:timers/promises'
import { isCurfewError } from '@curfew/codecs'
import { systemClock } from '../../platform/clock.ts'
import { ApiProblem } from '../api-problem.ts'
import type { AdminClient, ToldEvent } from '../client.ts'
import { connect } from '../connect.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import type { FilterQuery } from '../filter-text.ts'
import { dayLine, eventLine, gapLine } from '../tail-text.ts'
import { untilStopped } from '../until-stopped.ts'

export interface TailOptions {
  readonly filter?: FilterQuery
  readonly since?: number
  readonly follow: boolean
}

/** A server that says nothing for so long is gone: it says where it stands every ten seconds. */
const silenceMsMax = 35_000
const againMsMin = 500
const againMsMax = 10_000
/** How long a server that went away is waited for. */
const awayMsMax = 300_000
/** Events whose ids are remembered, so that none is printed twice. */
const rememberedMax = 20_000

/**
 * `curfew tail`: what happens, as it happens, until Ctrl+C. Where the server goes away it is asked again for what came
 * behind the last event; what it can not tell any more is said to be missing, and the exit code is 2 then.
 */
export async function tail(context: CommandContext, options: TailOptions): Promise<ExitCode> {
  const stop = new AbortController()
  void untilStopped().then(() => stop.abort())
  const printer = createPrinter(context)
  try {
    await followEvents(context, connect(context), options, stop.signal, (told) => printer.print(told))
  } finally {
    printer.end()
  }
  return printer.hadGap() ? exitCode.partial : exitCode.done
}

async function followEvents(
  { terminal }: CommandContext,
  client: AdminClient,
  options: TailOptions,
  stop: AbortSignal,
  print: (told: ToldEvent) => void
): Promise<void> {
  let after: string | undefined
  let awaySinceMs: number | undefined
  let againMs = againMsMin
  while (!stop.aborted) {
    try {
      for await (const told of heard(client, { ...query(options), after }, stop)) {
        if (awaySinceMs !== undefined) terminal.note('The server is back.')
        awaySinceMs = undefined
        againMs = againMsMin
        after = told.position
        print(told)
      }
      if (!options.follow || stop.aborted) return
    } catch (error) {
      const isOver = awaySinceMs !== undefined && systemClock.nowMs() - awaySinceMs > awayMsMax
      if (after === undefined || isOver || !mayPass(error)) throw error
    }
    if (awaySinceMs === undefined) terminal.note('The server does not answer. It is asked again; what happens meanwhile comes then.')
    awaySinceMs ??= systemClock.nowMs()
    await setTimeout(againMs, undefined, { signal: stop }).catch(() => undefined)
    againMs = Math.min(againMsMax, 2 * againMs)
  }
}

function query({ filter, since, follow }: TailOptions): Readonly<Record<string, string | undefined>> {
  return { ...filter, sinceMs: since?.toString(), follow: follow ? undefined : 'false' }
}

/** The events of one connection; it ends when nothing was heard for too long. */
async function* heard(client: AdminClient, asked: Readonly<Record<string, string | undefined>>, stop: AbortSignal): AsyncGenerator<ToldEvent> {
  const silence = new AbortController()
  const timer = globalThis.setTimeout(() => silence.abort(), silenceMsMax)
  try {
    for await (const told of client.events(asked, AbortSignal.any([stop, silence.signal]))) {
      timer.refresh()
      yield told
    }
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    clearTimeout(timer)
  }
}

/** A server that starts, stops or can not reach its store may be fine in a moment. */
function mayPass(error: unknown): boolean {
  if (error instanceof ApiProblem) return error.problem.status >= 500
  return (isCurfewError(error) && ['CURFEW_CLI_SERVER_UNREACHABLE', 'CURFEW_CLI_SERVER_FOREIGN'].includes(error.code)) || isAborted(error)
}

/** The silence of the server ended the question. */
function isAborted(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
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
