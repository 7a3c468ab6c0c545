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

/** How long a body on its way to an application may bring nothing. */
export const uploadIdleMsMax = 60_000
/** Octets that it brings in that time at the least where no session vouches for its sender. */
export const openUploadBytesMin = 4_096
/** So often in that time it is looked at. */
const looks = 4
export const uploadLookMs = uploadIdleMsMax / looks

export interface UploadWatch {
  readonly clock: Clock
  /** Octets that count as something: {@link openUploadBytesMin}, or 1. */
  readonly bytesMin: number
  /** Nobody waits for the rest any more. */
  readonly isOver: () => boolean
  /** Once: too little came. */
  readonly onIdle: () => void
}

/**
 * Looks after a body that an application reads. Only what its sender does not send counts against it: where the application
 * is slower than that, or is not reached yet, time does not pass.
 * @returns what ends the watch
 */
export function watchUpload(request: IncomingMessage, { clock, bytesMin, isOver, onIdle }: UploadWatch): Timer {
  const { socket } = request
  let bytes = socket.bytesRead
  let idleLooks = 0
  let timer: Timer | undefined
  const look = (): void => {
    if (request.complete || request.destroyed || isOver()) return
    const isHeldUp = request.readableFlowing !== true || request.readableLength > 0
    if (isHeldUp || socket.bytesRead - bytes >= bytesMin) {
      bytes = socket.bytesRead
      idleLooks = 0
    } else {
      idleLooks += 1
    }
    if (idleLooks < looks) arm()
    else onIdle()
  }
  const arm = (): void => {
    timer = clock.after(uploadLookMs, look)
  }
  arm()
  return { cancel: () => timer?.cancel() }
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
