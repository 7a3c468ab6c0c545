import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { GatewayHealth } from '../../src/gateway/endpoints/heartbeat.ts'
import { createGatewayKit, type GatewayKit } from './kit.ts'
import { Visitor } from './visitor.ts'

async function health(kit: GatewayKit): Promise<GatewayHealth> {
  const answer = await new Visitor().ask(`${kit.wiki}/pa/heartbeat.ping`)
  assert.equal(answer.status, 200)
  return JSON.parse(answer.body) as GatewayHealth
}

suite('The health of a gateway that asks about single sessions', () => {
  test('says whether the authority answers, and so do the figures', async () => {
    await using kit = await createGatewayKit({
      gateway: { heartbeatMonitoring: true, sessionCheck: { feed: false, status: true, statusCacheSeconds: 0 } }
    })
    const ana = new Visitor()
    assert.equal((await ana.open(`${kit.wiki}/`)).status, 200)
    const well = await health(kit)
    assert.deepEqual([well.status, well.statusAnswers, well.feedAgeSeconds], ['ok', true, undefined])
    const figures = await kit.metrics()
    assert.match(figures, /^curfew_gateway_status_questions_total\{result="live"\} [1-9]/m)
    assert.match(figures, /^curfew_gateway_status_failing 0$/m)

    await kit.stopAuthority()
    assert.equal((await ana.ask(`${kit.wiki}/`)).status, 503)
    const away = await health(kit)
    assert.deepEqual([away.status, away.statusAnswers], ['unchecked', false])
    const later = await kit.metrics()
    assert.match(later, /^curfew_gateway_status_questions_total\{result="unknown"\} [1-9]/m)
    assert.match(later, /^curfew_gateway_status_failing 1$/m)
  })
})
