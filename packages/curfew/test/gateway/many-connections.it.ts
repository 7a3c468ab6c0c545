import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { allowOpenFiles, closeConnections, connectionsHere, leastShown, wanted } from './closed-connections.ts'

/** Half a minute, for a machine that does much else: `npm run bench -- closing` says of a quiet one how fast it is. */
const patienceMs = 30_000

allowOpenFiles()
const here = connectionsHere()
const tooFew = `this machine allows one process open files for ${here} connections, and ${leastShown} are needed`

suite('Thousands of open connections of one session at one gateway', { skip: here < leastShown ? tooFew : false }, () => {
  test('are all closed with 4001 within half a minute of its end: ten thousand, or as many as one process may have here', async (t) => {
    const { count, timesMs, frames, liveBefore, liveAfter, octetsEach } = await closeConnections()
    const [p50 = 0, p99 = 0, last = 0] = [timesMs.at(count >> 1), timesMs.at(Math.floor(count * 0.99)), timesMs.at(-1)]
    t.diagnostic(
      `${count} WebSockets, ${2 * count} sockets of the gateway: closed after ${p50} ms (p50), ${p99} ms (p99), ${last} ms (last); ${Math.round(octetsEach / 1024)} KB each`
    )
    if (count < wanted) t.diagnostic(`not ${wanted}: this machine allows one process no more open files, and each connection takes two`)
    assert.ok(count >= leastShown)
    assert.deepEqual([timesMs.length, frames, liveBefore, liveAfter], [count, count, count, 0])
    assert.ok(last <= patienceMs, `the last after ${last} ms`)
  })
})
