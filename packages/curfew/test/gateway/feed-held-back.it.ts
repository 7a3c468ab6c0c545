import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { freeRange } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { bufferingProxies, type BufferingProxy } from './buffering-proxies.ts'
import { createGatewayKit } from './kit.ts'
import { Visitor } from './visitor.ts'

/** A second, and what a busy machine takes for it. */
const knownMsMax = 2_000

suite('A gateway behind a proxy that buffers', () => {
  for (const [name, start] of Object.entries(bufferingProxies)) {
    test(`${name}: the gateway answers, goes on past the age at which the list counts no more, and refuses within a second of an end`, async () => {
      const port = await freeRange(1)
      await using stack = new AsyncDisposableStack()
      const proxies: BufferingProxy[] = []
      const kit = await createGatewayKit({
        gateway: { sessionCheck: { staleSeconds: 5 } },
        provider: { backChannel: { servers: [`http://127.0.0.1:${port}`] } },
        async beforeGateway(issuer) {
          proxies.push(stack.use(await start(port, Number(new URL(issuer).port))))
        }
      })
      stack.use(kit)
      const visitor = new Visitor()
      assert.equal((await visitor.open(`${kit.wiki}/notes`)).status, 200)
      const status = async (): Promise<number> => (await visitor.ask(`${kit.wiki}/notes`)).status
      const pages = (): number => (proxies[0]?.asked() ?? []).filter((one) => one === 'page').length
      await until(
        'page after page is asked for, for longer than five seconds',
        async () => {
          assert.equal(await status(), 200)
          return pages() >= 7
        },
        { everyMs: 100 }
      )
      await kit.endAll()
      const tookMs = await until('it is refused', async () => (await status()) !== 200, { patienceMs: 10_000 })
      assert.ok(tookMs < knownMsMax, `${tookMs} ms`)
      assert.equal(await status(), 303)
      assert.match(await kit.metrics(), /curfew_gateway_feed_problems_total\{code="CURFEW_FEED_SILENT"\} 1\n/)
    })
  }
})
