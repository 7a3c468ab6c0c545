import { CurfewError } from '../errors.ts'

/** One event of a stream. */
export interface ServerSentEvent {
  readonly id: string
  readonly type: string
  readonly data: string
}

/**
 * Reads a stream of server-sent events.
 * @param charactersMax - longest event; more is refused
 * @throws CURFEW_FEED_REFUSED when an event grows beyond that
 * @see HTML living standard, section 9.2.6 (interpreting an event stream)
 */
export async function* serverSentEvents(chunks: AsyncIterable<Uint8Array>, charactersMax: number): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    let from = 0
    for (let end = rest.indexOf('\n\n', from); end >= 0; end = rest.indexOf('\n\n', from)) {
      const event = eventOf(rest.slice(from, end))
      from = end + 2
      if (event !== undefined) yield event
    }
    rest = rest.slice(from)
    if (rest.length > charactersMax) throw new CurfewError('CURFEW_FEED_REFUSED', { why: 'an event is longer than is accepted' })
  }
}

function eventOf(block: string): ServerSentEvent | undefined {
  const fields = { id: '', event: 'message', data: undefined as string | undefined }
  for (const line of block.split('\n')) {
    const at = line.indexOf(':')
    const name = at < 0 ? line : line.slice(0, at)
    const value =
      at < 0
        ? ''
        : line
            .slice(at + 1)
            .replace(/^ /, '')
            .replace(/\r$/, '')
    if (name === 'id') fields.id = value
    else if (name === 'event') fields.event = value
    else if (name === 'data') fields.data = fields.data === undefined ? value : `${fields.data}\n${value}`
  }
  return fields.data === undefined ? undefined : { id: fields.id, type: fields.event, data: fields.data }
}
