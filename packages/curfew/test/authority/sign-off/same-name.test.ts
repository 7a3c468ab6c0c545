import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { defaultDark, defaultLight } from '../../../src/authority/pages/brand.ts'
import { createMessages } from '../../../src/authority/pages/messages.ts'
import { resultBody } from '../../../src/authority/sign-off/live-page.ts'
import { ended, exampleOutcome, type ExampleDelivery, exampleView } from '../../../src/cli/brand-preview/example.ts'
import type { LogoutRun } from '../../../src/core/run.ts'

const context = {
  language: 'en',
  t: createMessages()('en'),
  brand: { organisation: 'Acme', light: defaultLight, dark: defaultDark, messages: {} },
  nonce: 'n'
} as const

const at = (host: string, outcome = exampleOutcome('timed-out')): ExampleDelivery => ({
  app: 'reports',
  outcome,
  channels: [{ kind: 'frame', binding: 'image', url: `https://${host}/pa/oidc/logout.png` }]
})

const page = (deliveries: readonly ExampleDelivery[], run: Partial<LogoutRun> = {}): string =>
  resultBody(exampleView(context, deliveries, run), undefined).toString()
const sentence = (body: string): string => /<span class="verdict[^>]*>([^<]*)/.exec(body)?.[1] ?? ''
const hosts = (body: string): readonly string[] => [...body.matchAll(/<br><span class="muted">([^<]*)</g)].map(([, host = '']) => host)

suite('An application that was used at several hosts', () => {
  test('stands in the sentence once, and in the list with each host', () => {
    const body = page([ended('payroll'), at('one.example'), at('two.example:8443')])
    assert.match(sentence(body), /: Reports did not confirm\. .* open it and sign out there/)
    assert.deepEqual(hosts(body), ['one.example', 'two.example:8443'])
    assert.match(body, /aria-label="Try again: Reports \(one\.example\)"/)
    assert.match(body, /aria-label="Try again: Reports \(two\.example:8443\)"/)
  })

  test('is told apart where one host confirmed and the other did not', () => {
    const body = page([at('one.example', exampleOutcome('ended')), at('two.example')])
    assert.match(sentence(body), /: Reports did not confirm/)
    assert.deepEqual(hosts(body), ['one.example', 'two.example'])
  })

  test('is named once by a sign-out of that application only', () => {
    assert.match(sentence(page([at('one.example'), at('two.example')], { isPartial: true })), /^Reports did not confirm/)
  })

  test('a name that stands there once needs no host, beside the offline access of the same application neither', () => {
    const grant: ExampleDelivery = { app: 'reports', grant: 'offline', outcome: exampleOutcome('ended') }
    assert.deepEqual(hosts(page([ended('payroll'), at('one.example'), grant])), [])
  })

  test('has its host where it began the sign-out at another one', () => {
    const starter = { kind: 'participant', participantId: 'reports:0', peerId: 'reports', binding: 'redirect', requestId: '_1', wantsResponse: true } as const
    assert.deepEqual(hosts(page([at('two.example')], { starter })), ['two.example'])
  })
})
