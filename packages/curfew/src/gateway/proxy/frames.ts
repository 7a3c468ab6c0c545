/** Where one direction of a WebSocket stands: between frames, or inside of one. Payloads are never looked at. */
export interface FrameTracker {
  /** @returns how many octets of the chunk lie before the last boundary between frames that it holds; 0 for none */
  take(chunk: Uint8Array): number
  /** True between two frames. */
  readonly isAtBoundary: boolean
}

/** Follows the lengths of frames. @see RFC 6455 section 5.2 */
export function trackFrames(): FrameTracker {
  let header: number[] = []
  let left = 0n
  const state = { atBoundary: true }
  return {
    take(chunk) {
      let boundary = state.atBoundary ? 0 : -1
      let at = 0
      while (at < chunk.length) {
        if (left > 0n) {
          const step = left < BigInt(chunk.length - at) ? Number(left) : chunk.length - at
          left -= BigInt(step)
          at += step
        } else {
          header.push(chunk[at] ?? 0)
          at += 1
          const length = payloadLength(header)
          if (length === undefined) continue
          left = length
          header = []
        }
        if (left === 0n && header.length === 0) boundary = at
      }
      state.atBoundary = left === 0n && header.length === 0
      return Math.max(0, boundary)
    },
    get isAtBoundary() {
      return state.atBoundary
    }
  }
}

/** The length of the payload when the header is whole, its mask included. */
function payloadLength(header: readonly number[]): bigint | undefined {
  const second = header[1]
  if (second === undefined) return undefined
  const mark = second & 0x7f
  const extended = mark === 127 ? 8 : mark === 126 ? 2 : 0
  const mask = (second & 0x80) === 0 ? 0 : 4
  if (header.length < 2 + extended + mask) return undefined
  if (extended === 0) return BigInt(mark)
  return header.slice(2, 2 + extended).reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n)
}

/** Close code of a WebSocket whose session ended: 4000 to 4999 are for applications. */
export const sessionEndedCode = 4001

/** A close frame. @param isFromClient - frames of a client are masked; the mask may be any, and is zero here */
export function closeFrame(code: number, reason: string, isFromClient: boolean): Buffer {
  const text = Buffer.from(reason)
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), text])
  const head = isFromClient ? [0x88, 0x80 | payload.length, 0, 0, 0, 0] : [0x88, payload.length]
  return Buffer.concat([Buffer.from(head), payload])
}
