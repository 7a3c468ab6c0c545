import cluster, { type Worker } from 'node:cluster'
import { systemClock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { type FromWorker, isOurs, type Question, type ToWorker, workerVariable } from './message.ts'
import { restartDelayMs } from './restart-delay.ts'

export interface SupervisorOptions {
  readonly count: number
  readonly logger: Pick<Logger, 'info' | 'error'>
  /** Resolves when the node is to stop. A hang-up that is not to stop it goes to the workers. */
  readonly untilStopped: (onHangUp: () => void) => Promise<void>
  /** Every worker serves. */
  readonly onReady: () => void
}

/** One of the workers; its process may be another one over time. */
interface Slot {
  readonly number: number
  worker: Worker | undefined
  startedAtMs: number
  isReady: boolean
  /** It has served before: what ends it now is no mistake in the configuration. */
  hasServed: boolean
  restarts: number
  /** Ends in a row, each soon after its start. */
  failures: number
}

/** How long others may take to answer a question, and workers to stop. */
const answerMs = 2_000
const stopMs = 60_000
/** A worker that lived so long has not failed at its start. */
const steadyMs = 60_000

/**
 * Runs workers that share the listeners of this process, and starts one again that ends by itself. Ends with the code of
 * a worker that could not start at all.
 */
export async function superviseWorkers({ count, logger, untilStopped, onReady }: SupervisorOptions): Promise<ExitCode> {
  const slots = Array.from(
    { length: count },
    (_, i): Slot => ({ number: i + 1, worker: undefined, startedAtMs: 0, isReady: false, hasServed: false, restarts: 0, failures: 0 })
  )
  const questions = createQuestions(slots)
  const { promise: failed, resolve: fail } = Promise.withResolvers<ExitCode>()
  let isStopping = false
  let isAnnounced = false

  const start = (slot: Slot): void => {
    if (isStopping) return
    const worker = cluster.fork({ [workerVariable]: String(slot.number) })
    Object.assign(slot, { worker, startedAtMs: systemClock.nowMs(), isReady: false })
    worker.on('message', (message: unknown) => {
      if (!isOurs<FromWorker>(message)) return
      if (message.curfew !== 'ready') return questions.take(worker, message)
      Object.assign(slot, { isReady: true, hasServed: true })
      if (isAnnounced || slots.some(({ isReady }) => !isReady)) return undefined
      isAnnounced = true
      return onReady()
    })
    worker.on('exit', (code, signal) => {
      slot.worker = undefined
      slot.isReady = false
      if (isStopping) return
      // One that may not serve any more, whatever it did before: the next one would not either.
      if (!slot.hasServed || code === exitCode.configuration) fail((code === 0 ? exitCode.failed : code) as ExitCode)
      else startAgain(slot, signal ?? String(code))
    })
  }
  const startAgain = (slot: Slot, how: string): void => {
    const isSteady = systemClock.nowMs() - slot.startedAtMs >= steadyMs
    slot.failures = isSteady ? 1 : slot.failures + 1
    slot.restarts += 1
    const delayMs = restartDelayMs(slot.failures)
    logger.error({ event: 'worker.ended', worker: slot.number, how, restartInMs: delayMs }, `Worker ${slot.number} ended by itself; it is started again`)
    setTimeout(() => start(slot), delayMs)
  }
  const stopAll = async (): Promise<void> => {
    isStopping = true
    const live = slots.flatMap(({ worker }) => worker ?? [])
    const ended = live.map((worker) => new Promise<void>((resolve) => void worker.once('exit', () => resolve())))
    for (const worker of live) worker.process.kill('SIGTERM')
    const timer = setTimeout(() => live.forEach((worker) => void worker.process.kill('SIGKILL')), stopMs)
    await Promise.all(ended)
    clearTimeout(timer)
  }

  for (const slot of slots) start(slot)
  const stopped = untilStopped(() => slots.forEach(({ worker }) => void worker?.process.kill('SIGHUP'))).then((): ExitCode => exitCode.done)
  const code = await Promise.race([failed, stopped])
  await stopAll()
  return code
}

interface Questions {
  /** A worker asks, or says what it was asked for. */
  take(worker: Worker, message: Exclude<FromWorker, { readonly curfew: 'ready' }>): void
}

/** Hands questions of one worker to the others, and their answers back. */
function createQuestions(slots: readonly Slot[]): Questions {
  let last = 0
  const open = new Map<number, (text: string) => void>()
  const put = (worker: Worker, question: Question): Promise<string | undefined> => {
    last += 1
    const id = last
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(undefined), answerMs)
      const done = (text: string | undefined): void => {
        clearTimeout(timer)
        open.delete(id)
        resolve(text)
      }
      open.set(id, done)
      if (!send(worker, { curfew: 'question', id, question })) done(undefined)
    })
  }
  return {
    take(worker, message) {
      if (message.curfew === 'said') {
        open.get(message.id)?.(message.text)
        return
      }
      const others = slots.flatMap((slot) => (slot.worker === undefined || slot.worker === worker || !slot.isReady ? [] : [slot.worker]))
      void Promise.all(others.map((other) => put(other, message.question))).then((texts) => {
        const own = message.question === 'metrics' ? [figuresOf(slots)] : []
        send(worker, { curfew: 'answers', id: message.id, texts: [...texts.filter((text) => text !== undefined), ...own] })
      })
    }
  }
}

function send(worker: Worker, message: ToWorker): boolean {
  return worker.isConnected() && worker.send(message)
}

/** What only the supervisor knows. */
function figuresOf(slots: readonly Slot[]): string {
  const family = (name: string, type: string, help: string, value: (slot: Slot) => number): string =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${slots.map((slot) => `${name}{worker="${slot.number}"} ${value(slot)}\n`).join('')}`
  return (
    family('curfew_worker_up', 'gauge', 'The worker serves.', ({ isReady }) => Number(isReady)) +
    family('curfew_worker_restarts_total', 'counter', 'How often the worker was started again.', ({ restarts }) => restarts)
  )
}
