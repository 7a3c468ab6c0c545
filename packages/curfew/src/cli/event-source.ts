/** One server-sent event. */
export interface SentEvent {
  /** Where to go on after it. */
  readonly id?: string
  readonly event: string
  readonly data: string
}

/** Longest text of one event. */
const charactersMax = 16 * 1024 * 1024

/**
 * Reads server-sent events. Comments and events without data are passed over.
 * @throws RangeError when one is longer than {@link charactersMax}
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html section 9.2.6
 */
export async function* readEvents(chunks: AsyncIterable<string>): AsyncGenerator<SentEvent> {
  let buffered = ''
  for await (const chunk of chunks) {
    buffered += chunk
    for (let end = buffered.indexOf('\n\n'); end >= 0; end = buffered.indexOf('\n\n')) {
      const block = buffered.slice(0, end)
      buffered = buffered.slice(end + 2)
      const data = /^data: (.*)$/m.exec(block)?.[1]
      const id = /^id: (.*)$/m.exec(block)?.[1]
      if (data !== undefined) yield { event: /^event: (.*)$/m.exec(block)?.[1] ?? 'message', data, ...(id === undefined ? {} : { id }) }
    }
    if (buffered.length > charactersMax) throw new RangeError('an event is too long')
  }
}
