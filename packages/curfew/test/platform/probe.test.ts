import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { reach } from '../../src/cli/doctor-endpoint.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { door, inside } from '../support/inside.ts'

suite('A look at a logout address before a browser is sent there', () => {
  const said: Readonly<Record<number, 'there' | 'there, and doubtful' | 'nobody'>> = {
    200: 'there',
    302: 'there',
    400: 'there',
    405: 'there',
    500: 'there, and doubtful',
    501: 'there, and doubtful',
    505: 'there, and doubtful',
    502: 'nobody',
    503: 'nobody',
    504: 'nobody'
  }
  for (const [status, expected] of Object.entries(said))
    test(`${status} to a bare GET: ${expected}`, async () => {
      await using server = await inside((_, response) => response.writeHead(Number(status)).end())
      await using outbound = door(undefined, ['127.0.0.1/32'])
      const url = `http://127.0.0.1:${server.port}/slo`
      const probed = await outbound.probe({ peerId: 'payroll', url, timeoutMs: 5_000 })
      const seen = await reach({ outbound, clock: systemClock, baseUrl: 'https://login.test' }, 'payroll', url)
      const bySender = probed.reachable ? (probed.isDoubtful === true ? 'there, and doubtful' : 'there') : 'nobody'
      const byDoctor = seen.code === undefined ? (seen.fault === undefined ? 'there' : 'there, and doubtful') : 'nobody'
      assert.deepEqual([bySender, byDoctor], [expected, expected])
    })
})
