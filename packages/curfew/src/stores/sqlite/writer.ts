/**
 * Entry of the writer thread. Takes whatever is waiting, up to {@link groupMax} commands, into one transaction and
 * answers them together. Started by `writer-client.ts` and by nobody else; the build emits it as a file of its own.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { FromWriter, Request, ToWriter, WriterOptions } from './command.ts'
import { toPlainError } from './plain-error.ts'
import { openWriterCore, type WriterCore } from './writer-core.ts'

/** Commands in one transaction at most. */
const groupMax = 256

function serve(core: WriterCore, send: (message: FromWriter) => void, listen: (receive: (message: ToWriter) => void) => void): void {
  let waiting: Request[] = []
  let scheduled = false
  let closing = false

  const next = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      const group = waiting.slice(0, groupMax)
      waiting = waiting.slice(groupMax)
      if (group.length > 0) send({ kind: 'answers', answers: core.commit(group) })
      if (waiting.length > 0) return next()
      if (!closing) return
      core.close()
      send({ kind: 'closed' })
      parentPort?.close()
    })
  }

  listen((message) => {
    if (message.kind === 'requests') waiting = waiting.concat(message.requests)
    else closing = true
    next()
  })
}

const port = parentPort
if (port !== null) {
  const send = (message: FromWriter): void => port.postMessage(message)
  try {
    const core = openWriterCore(workerData as WriterOptions)
    serve(core, send, (receive) => port.on('message', receive))
    send({ kind: 'ready', file: core.file })
  } catch (error) {
    send({ kind: 'refused', error: toPlainError(error) })
    port.close()
  }
}
