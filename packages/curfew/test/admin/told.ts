import type { PassThrough } from 'node:stream'
import { type EventGap, eventGap, type EventView, eventView } from '../../src/admin/schemas.ts'
import { readEvents } from '../../src/cli/event-source.ts'

/** What came out of an event stream so far. */
export interface Told {
  readonly stream: PassThrough
  readonly events: EventView[]
  readonly gaps: EventGap[]
  readonly positions: string[]
}

/** Reads a stream as it comes. */
export function told(stream: PassThrough): Told {
  const all: Told = { stream, events: [], gaps: [], positions: [] }
  void (async () => {
    for await (const { id, event, data } of readEvents(stream.setEncoding('utf8') as AsyncIterable<string>)) {
      if (id !== undefined) all.positions.push(id)
      if (event === 'event') all.events.push(eventView.parse(JSON.parse(data)))
      if (event === 'gap') all.gaps.push(eventGap.parse(JSON.parse(data)))
    }
  })().catch(() => undefined)
  return all
}

export const names = ({ events }: Pick<Told, 'events'>): readonly string[] => events.map(({ event }) => event)
