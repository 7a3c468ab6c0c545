import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { defaultDark, defaultLight } from '../../../src/authority/pages/brand.ts'
import { createMessages } from '../../../src/authority/pages/messages.ts'
import { livePage } from '../../../src/authority/sign-off/live-page.ts'
import { type ExampleDelivery, exampleNowMs, exampleView } from '../../../src/cli/brand-preview/example.ts'
import type { Attempt } from '../../../src/core/run.ts'

const context = {
  language: 'en',
  t: createMessages()('en'),
  brand: { organisation: 'Acme', light: defaultLight, dark: defaultDark, messages: {} },
  nonce: 'n'
} as const

const frame = { kind: 'frame', binding: 'redirect', url: 'https://app.example/frame' } as const
/** A hidden frame has taken so much of the time of this application. */
const frameMs = 20_000
const asked: Attempt = { number: 1, channel: frame, messageId: 'example', startedAtMs: exampleNowMs - frameMs, endedAtMs: exampleNowMs }

const waiting = (app: ExampleDelivery['app'], attempts: readonly Attempt[]): ExampleDelivery => ({
  app,
  state: 'waiting-for-browser',
  channels: [frame, { kind: 'hop', binding: 'redirect', url: `https://${app}.example/slo` }],
  channelIndex: 1,
  attempts
})

/** What the button of the page says, and after how long its script takes the browser back. */
async function page(deliveries: readonly ExampleDelivery[]): Promise<readonly [string | undefined, number]> {
  const view = exampleView(context, deliveries)
  const engine = { apply: async () => view.run, waitFor: async () => view.run }
  const chunks = await Array.fromAsync(livePage({ view, engine, clock: { nowMs: () => exampleNowMs }, isCopy: false, isClosed: () => false }))
  const body = chunks.join('')
  assert.match(body, /content="0;url=\/signoff\/run_\w+\/go"/)
  return [/<a class="button" href="[^"]*\/go">([^<]*)</.exec(body)?.[1], Number(/location\.replace\("[^"]*"\), (\d+)\)/.exec(body)?.[1])]
}

suite('The sign-off page that a browser leaves', () => {
  test('names the application that it goes to, and takes it back after what a visit there may take', async () => {
    assert.deepEqual(await page([waiting('payroll', [asked])]), ['Continuing with Payroll', 10_000])
  })

  test('names none where several wait: a look at them decides; the shortest visit counts, so that the last page is not late', async () => {
    assert.deepEqual(await page([waiting('wiki', []), waiting('payroll', [asked])]), ['Continue', 10_000])
  })
})
