import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type BufferingProxy, bufferingProxies } from '../../curfew/test/gateway/buffering-proxies.ts'
import { freeRange } from '../../curfew/test/support/ports.ts'
import type { StreamFetch } from '../src/index.ts'
import { follow, until } from './followed-authority.ts'

/** A second, and what a busy machine takes for it. */
const knownMsMax = 2_000
const staleMs = 5_000

suite('Session guard behind a proxy that buffers', { timeout: 120_000 }, () => {
  for (const [name, start] of Object.entries(bufferingProxies)) {
    test(`${name}: the guard answers, goes on past the age at which the list counts no more, and refuses within a second of an end`, async () => {
      const port = await freeRange(1)
      await using stack = new AsyncDisposableStack()
      let starting: Promise<BufferingProxy> | undefined
      const open: StreamFetch = async (url, init) => {
        const { port: authorityPort, pathname, search } = new URL(url)
        starting ??= start(port, Number(authorityPort)).then((proxy) => stack.use(proxy))
        await starting
        return fetch(`http://127.0.0.1:${port}${pathname}${search}`, init)
      }
      const world = stack.use(await follow({ open, feed: { staleMs } }))
      await world.guard.ready()
      const ana = await world.signedIn()
      const startMs = performance.now()
      await until('what is known is older than it may be, if nothing came', async () => {
        assert.equal(await world.who(ana), 'ana')
        return performance.now() - startMs > staleMs + 1_000
      })
      assert.deepEqual(world.problems(), ['CURFEW_FEED_SILENT'])
      const endedMs = performance.now()
      await world.authority().endAll()
      await until('ana is signed out', async () => (await world.who(ana)) === '303')
      assert.ok(performance.now() - endedMs < knownMsMax, `${performance.now() - endedMs} ms`)
      assert.ok((await starting)?.asked().includes('page') === true)
    })
  }
})
