import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import type { StoreCode } from '../../../src/stores/store-error.ts'
import { createKit, signInTo } from '../kit.ts'

/** A sign-out that is under way with its browser at the first of two applications, when the store takes no write of it any more. */
async function fullMeanwhile(code: StoreCode) {
  const holder = { isFull: false }
  const store = createMemoryStore({ capacity: 100 })
  const kit = await createKit({
    store: {
      ...store,
      async commitRun(commit) {
        if (holder.isFull) throw new CurfewError(code, {})
        return store.commitRun(commit)
      }
    }
  })
  const browser = kit.browser()
  await signInTo(kit, browser, 'payroll')
  await signInTo(kit, browser, 'intranet')
  const path = String((await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' })).headers.location)
  const away = String((await browser.get(`${path}/go`)).headers.location)
  holder.isFull = true
  const here = kit.partner(new URL(away).hostname.replace('.test', ''))
  return { kit, browser, path, answer: await here.logoutAnswer(here.readLogoutRequest(away)) }
}

suite('A sign-out whose next step the store does not take', () => {
  for (const [code, words] of [
    ['CURFEW_STORE_DISK_FULL', 'No room is left to write down how it goes on'],
    ['CURFEW_STORE_READ_ONLY', 'can not be written down at the moment'],
    ['CURFEW_STORE_UNREACHABLE', 'can not be written down at the moment']
  ] as const)
    test(`counts, and every page says so: the browser is back, goes on, or brings an answer (${code})`, async () => {
      const { kit, browser, path, answer } = await fullMeanwhile(code)
      await using _kit = kit
      for (const url of [path, `${path}/go`, answer]) {
        const { statusCode, body } = await browser.get(url)
        assert.equal(statusCode, 503, url)
        assert.match(body, new RegExp(code))
        assert.match(body, /Your sign-out is written down and holds\./)
        assert.ok(body.includes(words), body)
        assert.doesNotMatch(body, /not signed out|Nothing was changed/)
      }
      assert.deepEqual(await kit.store.findByUser('local:ana'), [])
    })

  test('that nobody knows of is not said to hold: the address of a run can be made up', async () => {
    const holder = { isAway: false }
    const store = createMemoryStore({ capacity: 100 })
    await using kit = await createKit({
      store: {
        ...store,
        async getRun(id) {
          if (holder.isAway) throw new CurfewError('CURFEW_STORE_UNREACHABLE', {})
          return store.getRun(id)
        }
      }
    })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const run = String((await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' })).headers.location)
    holder.isAway = true
    for (const url of [run, `${run}/go`, `${run}/finish`]) {
      const { statusCode, body } = await browser.get(url.replace(/run_.{4}/, 'run_AAAA'))
      assert.equal(statusCode, 503, url)
      assert.match(body, /CURFEW_STORE_UNREACHABLE/)
      assert.doesNotMatch(body, /holds/, url)
    }
  })
})
