import type { Duplex } from 'node:stream'
import type { Clock } from '../platform/clock.ts'

/** How long a client may take to read the last answer and to close, before its connection is cut. */
export const lastAnswerMsMax = 1_000

/**
 * Sends what is the last on a connection, and lets go of it. A socket that Node's server hands over (`connect`, `upgrade`)
 * has no listener for errors any more, and is half-open: without the one a reset ends the process, without the other a
 * client that does not close keeps it for ever.
 *
 * @param msMax - longer for an answer that a slow link does not carry at once
 */
export function lastAnswer(socket: Duplex, answer: string | Buffer, clock: Pick<Clock, 'after'>, msMax = lastAnswerMsMax): void {
  socket.on('error', () => socket.destroy())
  if (socket.destroyed || !socket.writable) return void socket.destroy()
  const timer = clock.after(msMax, () => socket.destroy())
  socket.once('close', () => timer.cancel())
  socket.end(answer)
}
