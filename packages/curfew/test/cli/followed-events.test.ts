import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { createAdminClient, type ToldEvent } from '../../src/cli/client.ts'
import { followEvents, silenceMsMax } from '../../src/cli/followed-events.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'

const event = (id: number): string => `id: ${id}-1\nevent: event\ndata: ${JSON.stringify({ id: `aud_${id}`, position: `${id}-1` })}\n\n`

/** A server whose answers are the test's: each request is given with what to write its answer with. */
async function talking(answer: (nth: number, url: URL, response: ServerResponse) => void) {
  const asked: URL[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://server')
    asked.push(url)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    answer(asked.length, url, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = createAdminClient({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'of-the-test' })
  const clock = createFakeClock()
  const notes: string[] = []
  const stop = new AbortController()
  return {
    asked,
    clock,
    notes,
    stop,
    follow: (isEndless: boolean, print: (told: ToldEvent) => void | Promise<void>) =>
      followEvents({ client, clock, stop: stop.signal, note: (line) => void notes.push(line) }, { query: { follow: String(isEndless) }, isEndless }, print),
    [Symbol.dispose]() {
      server.closeAllConnections()
      server.close()
    }
  }
}

suite('following the events of a server', () => {
  test('to their end: a server that falls silent before it has told everything is asked again for the rest', async () => {
    using it = await talking((nth, _url, response) => {
      if (nth === 1) response.write(event(1))
      else response.end(event(2))
    })
    const positions: string[] = []
    const done = it.follow(false, ({ position }) => void positions.push(position))
    await until('the first event came', () => positions.length === 1)
    await it.clock.advance(silenceMsMax)
    await done
    assert.deepEqual(positions, ['1-1', '2-1'])
    assert.equal(it.asked[1]?.searchParams.get('after'), '1-1')
    assert.deepEqual(it.notes, ['The server does not answer. It is asked again; what happens meanwhile comes then.', 'The server is back.'])
    assert.equal(it.clock.pendingTimers(), 0)
  })

  test('a server that never says anything is no end, either', async () => {
    using it = await talking(() => undefined)
    const done = it.follow(false, () => assert.fail('nothing was said'))
    void done.catch(() => undefined)
    await until('it was asked', () => it.asked.length === 1)
    await it.clock.advance(silenceMsMax - 1)
    assert.equal(it.clock.pendingTimers(), 1)
    await it.clock.advance(1)
    await assert.rejects(done, { code: 'CURFEW_CLI_SERVER_UNREACHABLE' })
  })

  test('whoever reads slowly is not taken for a server that is silent', async () => {
    using it = await talking((nth, _url, response) => response.end(nth === 1 ? event(1) + event(2) : undefined))
    const positions: string[] = []
    await it.follow(false, async ({ position }) => {
      positions.push(position)
      await it.clock.advance(2 * silenceMsMax)
    })
    assert.deepEqual([positions, it.asked.length, it.notes], [['1-1', '2-1'], 1, []])
  })

  test('whoever stops it is told of no fault', async () => {
    using it = await talking((_nth, _url, response) => response.write(event(1)))
    await it.follow(true, () => it.stop.abort())
    assert.deepEqual([it.asked.length, it.notes], [1, []])
  })
})
