import type { AdminWorkers } from '../../admin/context.ts'
import { isOurs, type Question, type ToWorker, workerVariable } from './message.ts'
import { mergeMetrics } from './merge-metrics.ts'

/** A worker among the others of its node, over the channel to their supervisor. */
export interface WorkerLink extends AdminWorkers {
  /** Which one this is, from 1 on. */
  readonly number: number
  /** What this process answers the others. */
  serve(own: OwnFigures): void
  ready(): void
}

export interface OwnFigures {
  metrics(): Promise<string>
  status(): string
}

/** The number of this worker; undefined in a process that has no supervisor. */
export function workerNumber(environment: Readonly<Record<string, string | undefined>>): number | undefined {
  const text = environment[workerVariable]
  return text === undefined || process.send === undefined ? undefined : Number(text)
}

export function createWorkerLink(number: number): WorkerLink {
  let own: OwnFigures = { metrics: async () => '', status: () => 'starting' }
  let asked = 0
  const waiting = new Map<number, (texts: readonly string[]) => void>()
  const say = async (question: Question): Promise<string> =>
    question === 'metrics' ? own.metrics() : JSON.stringify({ worker: number, pid: process.pid, status: own.status() })
  const ask = async (question: Question): Promise<readonly string[]> => {
    asked += 1
    const id = asked
    const others = new Promise<readonly string[]>((resolve) => waiting.set(id, resolve))
    send({ curfew: 'ask', id, question })
    return [await say(question), ...(await others)]
  }
  process.on('message', (message) => {
    if (!isOurs<ToWorker>(message)) return
    if (message.curfew === 'answers') {
      waiting.get(message.id)?.(message.texts)
      waiting.delete(message.id)
    } else void say(message.question).then((text) => send({ curfew: 'said', id: message.id, text }))
  })
  // The channel alone keeps no process: one that could not start, or has stopped, ends.
  process.channel?.unref()
  return {
    number,
    serve(figures) {
      own = figures
    },
    ready: () => send({ curfew: 'ready' }),
    async metrics() {
      return mergeMetrics(await ask('metrics'))
    },
    async states() {
      const texts = await ask('state')
      return texts.map((text) => JSON.parse(text) as Awaited<ReturnType<AdminWorkers['states']>>[number]).sort((a, b) => a.worker - b.worker)
    }
  }
}

function send(message: object): void {
  if (process.connected) process.send?.(message)
}
