import { CurfewError } from '../errors.ts'

/** One event of a stream. */
export interface ServerSentEvent {
  readonly id: string
  readonly type: string
  /** UTF-8; good until the next event is asked for. */
  readonly data: Buffer
}

/**
 * Reads a stream of server-sent events.
 * @param charactersMax - longest event; more is refused
 * @throws CURFEW_FEED_REFUSED when an event grows beyond that
 * @see HTML living standard, section 9.2.6 (interpreting an event stream)
 */
export async function* serverSentEvents(chunks: AsyncIterable<Uint8Array>, charactersMax: number): AsyncGenerator<ServerSentEvent> {
  const held = createHeld(charactersMax)
  for await (const chunk of chunks) {
    held.append(chunk)
    for (let block = held.next(); block !== undefined; block = held.next()) {
      const event = eventOf(block)
      if (event !== undefined) yield event
    }
    if (held.size > charactersMax) throw new CurfewError('CURFEW_FEED_REFUSED', { why: 'an event is longer than is accepted' })
  }
}

/** Octets that no whole event was made of yet. */
interface Held {
  append(chunk: Uint8Array): void
  /** The next whole event, without the empty line behind it. */
  next(): Buffer | undefined
  readonly size: number
}

/** Room at the start; it grows to what the longest event takes. */
const heldBytesMin = 4 * 1024

/**
 * One buffer for all events: what was put together from every chunk anew left half as much behind as a list of millions takes.
 */
function createHeld(bytesMax: number): Held {
  const state = { octets: Buffer.allocUnsafeSlow(heldBytesMin), from: 0, to: 0, searched: 0 }
  const makeRoom = (more: number): void => {
    const size = state.to - state.from
    if (state.to + more <= state.octets.length) return
    const octets =
      size + more <= state.octets.length ? state.octets : Buffer.allocUnsafeSlow(Math.max(size + more, Math.min(bytesMax, state.octets.length * 2)))
    state.octets.copy(octets, 0, state.from, state.to)
    Object.assign(state, { octets, from: 0, to: size, searched: state.searched - state.from })
  }
  return {
    append(chunk) {
      makeRoom(chunk.length)
      state.octets.set(chunk, state.to)
      state.to += chunk.length
    },
    next() {
      const { octets, from, to, searched } = state
      const end = octets.subarray(0, to).indexOf('\n\n', searched)
      if (end < 0) {
        state.searched = Math.max(from, to - 1)
        return undefined
      }
      Object.assign(state, end + 2 === to ? { from: 0, to: 0, searched: 0 } : { from: end + 2, searched: end + 2 })
      return octets.subarray(from, end)
    },
    get size() {
      return state.to - state.from
    }
  }
}

const [lineFeed, colon, space, carriageReturn] = [0x0a, 0x3a, 0x20, 0x0d]

function eventOf(block: Buffer): ServerSentEvent | undefined {
  const fields = { id: '', event: 'message', data: undefined as Buffer | undefined }
  for (let from = 0; from <= block.length; ) {
    const end = block.indexOf(lineFeed, from)
    const line = block.subarray(from, end < 0 ? block.length : end)
    const at = line.indexOf(colon)
    const name = line.toString('utf8', 0, at < 0 ? line.length : at)
    const value = at < 0 ? line.subarray(line.length) : valueOf(line.subarray(at + 1))
    if (name === 'id') fields.id = value.toString()
    else if (name === 'event') fields.event = value.toString()
    else if (name === 'data') fields.data = fields.data === undefined ? value : Buffer.concat([fields.data, Buffer.from([lineFeed]), value])
    from += line.length + 1
  }
  return fields.data === undefined ? undefined : { id: fields.id, type: fields.event, data: fields.data }
}

function valueOf(octets: Buffer): Buffer {
  const from = octets[0] === space ? 1 : 0
  const to = octets.at(-1) === carriageReturn ? octets.length - 1 : octets.length
  return octets.subarray(from, Math.max(from, to))
}
