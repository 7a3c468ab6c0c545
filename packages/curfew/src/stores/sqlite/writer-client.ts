import { Worker } from 'node:worker_threads'
import { storeError } from '../store-error.ts'
import {
  type Answer,
  type Command,
  type CommandName,
  type Commands,
  type FromWriter,
  isSignOn,
  type Request,
  type ToWriter,
  type WriterOptions
} from './command.ts'
import { fromPlainError } from './plain-error.ts'

/** Commands that wait for the writer at most; beyond it new sign-ins are refused, everything else still waits. */
const waitingMax = 20_000

/** The writer thread as the thread of the requests sees it. */
export interface WriterClient {
  /** The database file, links resolved. */
  readonly file: string
  /** Resolves when the command is committed to the disk. */
  ask<N extends CommandName>(name: N, input: Commands[N]['input']): Promise<Commands[N]['result']>
  /** Lets everything that was asked before finish, then releases the database. */
  close(): Promise<void>
}

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/**
 * Starts the writer thread and waits until it owns the database.
 * @throws what `openWriterCore` throws
 */
export async function startWriter(options: WriterOptions): Promise<WriterClient> {
  // In development the thread runs from its source; the build puts `writer.js` beside the file this module is in.
  const entry = import.meta.url.endsWith('.ts') ? './writer.ts' : './writer.js'
  const worker = new Worker(new URL(entry, import.meta.url), {
    workerData: options,
    name: 'curfew-store-writer'
  })
  const pending = new Map<number, Pending>()
  const opened = Promise.withResolvers<string>()
  const closed = Promise.withResolvers<void>()
  let gone: Error | undefined
  let closing = false

  const fail = (error: Error): void => {
    gone ??= error
    opened.reject(error)
    for (const { reject } of pending.values()) reject(error)
    pending.clear()
  }
  worker.on('message', (message: FromWriter) => {
    switch (message.kind) {
      case 'ready':
        return opened.resolve(message.file)
      case 'refused':
        return fail(fromPlainError(message.error))
      case 'closed':
        return
      case 'answers':
        for (const answer of message.answers) settle(pending, answer)
    }
  })
  worker.on('error', (error) => fail(storeError('CURFEW_STORE_FAILED', { file: options.file, reason: 'the writer thread stopped' }, error)))
  worker.on('exit', () => {
    fail(storeError(closing ? 'CURFEW_STORE_CLOSED' : 'CURFEW_STORE_FAILED', { file: options.file }))
    closed.resolve()
  })

  const post = (message: ToWriter): void => worker.postMessage(message)
  const enqueue = queueOf(post)
  let number = 0
  let file: string
  try {
    file = await opened.promise
  } catch (error) {
    await closed.promise
    throw error
  }
  return {
    file,
    async ask(name, input) {
      if (gone !== undefined) throw gone
      if (closing) throw storeError('CURFEW_STORE_CLOSED', { file })
      if (pending.size >= waitingMax && isSignOn(name)) throw storeError('CURFEW_STORE_OVERLOADED', { file, waiting: pending.size })
      number += 1
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      pending.set(number, { resolve, reject })
      enqueue({ number, command: { name, input } as Command })
      return (await promise) as Commands[typeof name]['result']
    },
    async close() {
      if (!closing) {
        closing = true
        enqueue('close')
      }
      await closed.promise
    }
  }
}

function settle(pending: Map<number, Pending>, answer: Answer): void {
  const waiting = pending.get(answer.number)
  pending.delete(answer.number)
  if ('error' in answer) waiting?.reject(fromPlainError(answer.error))
  else waiting?.resolve(answer.value)
}

/** Sends what one turn of the event loop asks for as one message. */
function queueOf(post: (message: ToWriter) => void): (item: Request | 'close') => void {
  let requests: Request[] = []
  let scheduled = false
  const flush = (): void => {
    scheduled = false
    if (requests.length > 0) post({ kind: 'requests', requests })
    requests = []
  }
  return (item) => {
    if (item === 'close') {
      flush()
      return post({ kind: 'close' })
    }
    requests.push(item)
    if (scheduled) return
    scheduled = true
    setImmediate(flush)
  }
}
