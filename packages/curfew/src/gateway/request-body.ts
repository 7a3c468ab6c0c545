import type { IncomingMessage } from 'node:http'
import { CurfewError } from '@curfew/codecs'
import type { Clock, Timer } from '../platform/clock.ts'

/** How long a body may take that the gateway reads itself, from whom ever. */
export const bodyMsMax = 10_000
/** How long a body may take that is read for its end alone. */
const skippedMsMax = bodyMsMax
/** How long the rest of a body may take to come after its answer was sent, before the connection is cut. */
export const restMsMax = 10_000

/**
 * Reads the body of a request that the gateway itself takes.
 * @throws CURFEW_API_TOO_LARGE, CURFEW_GATEWAY_REQUEST_TIMEOUT; the rest of the body is not read then
 */
export function readBody(request: IncomingMessage, { clock, bytesMax }: { readonly clock: Clock; readonly bytesMax: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const timer = clock.after(bodyMsMax, () => done(new CurfewError('CURFEW_GATEWAY_REQUEST_TIMEOUT', { seconds: bodyMsMax / 1000 })))
    const done = (problem?: CurfewError): void => {
      timer.cancel()
      request.off('data', take).off('end', end).off('close', gone).pause()
      if (problem === undefined) resolve(Buffer.concat(chunks))
      else reject(problem)
    }
    const take = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > bytesMax) return done(new CurfewError('CURFEW_API_TOO_LARGE', { maximum: bytesMax }))
      chunks.push(chunk)
    }
    const end = (): void => done()
    const gone = (): void => done(new CurfewError('CURFEW_GATEWAY_REQUEST_TIMEOUT', { why: 'the client went away' }))
    request.on('data', take).on('end', end).on('close', gone)
  })
}

/** Reads what is left of a body to its end and keeps nothing of it, for a while: a browser listens when it has sent all. */
export function skipBody(request: IncomingMessage, clock: Clock): Promise<void> {
  if (request.complete || request.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.after(skippedMsMax, () => done())
    const done = (): void => {
      timer.cancel()
      request.off('end', done).off('close', done)
      resolve()
    }
    request.on('end', done).on('close', done).resume()
  })
}

/** True where the head announces a body. */
export function hasBody({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

/** Cuts the connection of a request that was answered and whose body does not come to its end. */
export function boundRest(request: IncomingMessage, clock: Clock): Timer | undefined {
  if (request.complete) return undefined
  return clock.after(restMsMax, () => {
    if (!request.complete) request.destroy()
  })
}
