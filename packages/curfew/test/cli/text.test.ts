import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import type { DeliveryView, RunView } from '../../src/admin/schemas.ts'
import { hostPort } from '../../src/cli/listen.ts'
import { clockText, runText, summaryText, whyText } from '../../src/cli/run-text.ts'
import { aligned, table } from '../../src/cli/table.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { changeLines } from '../../src/cli/watch-text.ts'
import { errorLines, renderError } from '../../src/errors/render.ts'

const plain: Terminal = {
  out: () => undefined,
  note: () => undefined,
  error: () => undefined,
  style: (_, text) => text,
  rewrite: () => undefined,
  canRewrite: false,
  isInteractive: false,
  isQuiet: false,
  columns: 100
}
const startMs = Date.UTC(2026, 10, 24, 10, 4, 11, 201)

function delivery(peer: string, more: Partial<DeliveryView> = {}): DeliveryView {
  return { id: `dlv_${peer}`, peer, name: peer, state: 'pending', channels: ['server/soap'], attempts: [], attemptsMax: 4, ...more }
}

function attempt(number: number, offsetMs: number, more: Partial<DeliveryView['attempts'][number]> = {}): DeliveryView['attempts'][number] {
  return { number, channel: 'server/soap', url: 'http://x.test/slo', messageId: `_m${number}`, startedAtMs: startMs + offsetMs, ...more }
}

function run(deliveries: readonly DeliveryView[], more: Partial<RunView> = {}): RunView {
  return {
    id: 'run_7Q2M',
    version: 1,
    session: 'ses_1',
    user: 'ana',
    reason: 'admin',
    startedBy: 'cli',
    starter: 'none',
    state: 'open',
    verdict: 'working',
    startedAtMs: startMs,
    deadlineAtMs: startMs + 86_400_000,
    hasReceipt: false,
    deliveries: [...deliveries],
    ...more
  }
}

const payroll = delivery('payroll', { state: 'waiting-for-browser', channels: ['hop/redirect'] })
const intranet = delivery('intranet', {
  state: 'final',
  outcome: 'ended',
  proof: 'signed-answer',
  finalAtMs: startMs + 61,
  attempts: [attempt(1, 3, { endedAtMs: startMs + 61 })]
})
const legacy = delivery('legacy', {
  state: 'retrying',
  nextAttemptAtMs: startMs + 15_004,
  attempts: [attempt(1, 4, { endedAtMs: startMs + 5_004, code: 'CURFEW_SAML_PEER_TIMEOUT' })]
})

suite('offline grants in text', () => {
  const survivor = delivery('wiki', {
    grant: 'offline',
    state: 'final',
    outcome: 'not-asked',
    code: 'CURFEW_RUN_OFFLINE_GRANT',
    channels: ['server/grant'],
    finalAtMs: startMs
  })
  const ended = delivery('wiki', {
    grant: 'offline',
    state: 'final',
    outcome: 'ended',
    channels: ['server/grant'],
    finalAtMs: startMs + 2,
    attempts: [attempt(1, 0, { channel: 'server/grant', endedAtMs: startMs + 2 })]
  })

  test('one that survives is said to keep access, and how it is ended', () => {
    const one = run([intranet, survivor], { state: 'done', verdict: 'partial', finishedAtMs: startMs + 61 })
    assert.equal(summaryText(one, plain), 'partial  1 confirmed, 1 keeps access')
    assert.match(runText(one, plain, startMs).join('\n'), /!! {2}wiki \(offline grant\) {2}keeps access/)
    assert.match(changeLines(undefined, one, plain).join('\n'), /wiki \(offline grant\) {2}its offline grant goes on +keeps access/)
    const why = whyText(one, plain).join('\n')
    assert.match(why, /wiki, offline grant keeps access {3}CURFEW_RUN_OFFLINE_GRANT/)
    assert.match(why, /End it: curfew runs retry run_7Q2M dlv_wiki/)
  })

  test('one that ended is said to have lost its access', () => {
    const one = run([ended], { state: 'done', verdict: 'all-ended', finishedAtMs: startMs + 2 })
    assert.equal(summaryText(one, plain), 'complete  1 confirmed')
    assert.match(changeLines(undefined, one, plain).join('\n'), /<-- wiki \(offline grant\) {2}offline grant dropped 2 ms +access ended/)
  })
})

suite('columns of text', () => {
  test('pads every column to its widest cell and leaves no space at the end', () => {
    assert.deepEqual(
      table(
        [{ title: 'USER' }, { title: 'STATE' }],
        [
          ['ana', 'live'],
          ['bernadette', 'ended']
        ]
      ),
      ['USER        STATE', 'ana         live', 'bernadette  ended']
    )
  })

  test('cuts a cell that is too long', () => {
    assert.deepEqual(table([{ title: 'ID', charactersMax: 6 }], [['ses_abcdefgh']]), ['ID', 'ses...'])
  })

  test('aligns labels', () => {
    assert.deepEqual(
      aligned([
        ['Sign in', 'a'],
        ['Stop', 'b']
      ]),
      ['  Sign in  a', '  Stop     b']
    )
  })
})

suite('a run as it is watched', () => {
  test('shows an arrow for every message and every answer, in the order of time', () => {
    const at = (offsetMs: number): string => clockText(startMs + offsetMs)
    assert.deepEqual(changeLines(undefined, run([payroll, intranet, legacy]), plain), [
      `  ${at(0)}  --> payroll    SAML LogoutRequest (redirect)        waiting for browser`,
      `  ${at(3)}  --> intranet   SAML LogoutRequest (SOAP)`,
      `  ${at(4)}  --> legacy     SAML LogoutRequest (SOAP)`,
      `  ${at(61)}  <-- intranet   SAML LogoutResponse (SOAP) 58 ms     signed out, confirmed`,
      `  ${at(5_004)}  !!  legacy     no answer after 5 s                  attempt 1 of 4, next in 10 s`
    ])
  })

  test('names the message of every protocol, and says where no answer is possible', () => {
    const at = (offsetMs: number): string => clockText(startMs + offsetMs)
    const wiki = delivery('wiki', {
      state: 'final',
      outcome: 'ended',
      channels: ['server/back-channel'],
      finalAtMs: startMs + 40,
      attempts: [attempt(1, 3, { channel: 'server/back-channel', endedAtMs: startMs + 40 })]
    })
    const chat = delivery('chat', {
      state: 'final',
      outcome: 'unconfirmed',
      code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE',
      channels: ['frame/front-channel'],
      finalAtMs: startMs + 90,
      attempts: [attempt(1, 50, { channel: 'frame/front-channel', endedAtMs: startMs + 90, code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' })]
    })
    assert.deepEqual(changeLines(undefined, run([wiki, chat]), plain), [
      `  ${at(3)}  --> wiki       OIDC logout token (back-channel)`,
      `  ${at(40)}  <-- wiki       logout token accepted 37 ms          signed out, confirmed`,
      `  ${at(50)}  --> chat       OIDC front-channel (hidden frame)    browser sent`,
      `  ${at(90)}  !!  chat       this way has no answer               asked, cannot confirm`
    ])
  })

  test('says nothing twice', () => {
    const before = run([payroll, intranet, legacy])
    assert.deepEqual(changeLines(before, before, plain), [])
  })

  test('ends with what is confirmed, what waits and what is tried again', () => {
    assert.equal(summaryText(run([payroll, intranet, legacy]), plain), 'partial  1 confirmed, 1 needs the browser, 1 retrying')
    assert.equal(summaryText(run([intranet], { state: 'done', verdict: 'all-ended' }), plain), 'complete  1 confirmed')
    assert.equal(summaryText(run([], { state: 'done', verdict: 'all-ended' }), plain), 'complete  no other application took part')
  })

  test('counts a repeated delivery once', () => {
    const failed = delivery('legacy', { state: 'final', outcome: 'unreachable' })
    const repeat = { ...intranet, id: 'dlv_again' as const, peer: 'legacy', retryOf: failed.id }
    assert.equal(summaryText(run([failed, repeat], { state: 'done', verdict: 'all-ended' }), plain), 'complete  1 confirmed')
  })
})

suite('a run as it is shown', () => {
  test('draws one bar per application', () => {
    const lines = runText(run([intranet, legacy]), plain, startMs + 10_000)
    assert.equal(lines.length, 4)
    assert.match(lines[1] ?? '', /^ {2}ok {2}intranet {2}signed out, confirmed {2}\|=/)
    assert.match(lines[2] ?? '', /^ {2}\.\. {2}legacy {4}trying again .*\|={16}\.+\| {2}SAML LogoutRequest \(SOAP\), 1 attempt$/)
  })

  test('says why something was not confirmed and what to do', () => {
    const failed = delivery('legacy', {
      state: 'final',
      outcome: 'timed-out',
      code: 'CURFEW_SAML_PEER_TIMEOUT',
      attempts: [attempt(1, 0, { code: 'CURFEW_SAML_PEER_TIMEOUT' })]
    })
    const lines = whyText(run([intranet, failed], { state: 'done', verdict: 'partial' }), plain)
    assert.equal(lines[0], 'legacy did not answer   CURFEW_SAML_PEER_TIMEOUT')
    assert.match(lines.join('\n'), /curfew runs retry run_7Q2M dlv_legacy/)
    assert.match(lines.join('\n'), /docs\/reference\/errors\/CURFEW_SAML_PEER_TIMEOUT\.md/)
    assert.doesNotMatch(lines.join('\n'), /intranet/)
  })
})

suite('an error on the terminal', () => {
  test('says what happened, where, what to do, and where to read more', () => {
    assert.deepEqual(errorLines(renderError(new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { server: 'http://127.0.0.1:9999' }))), [
      'The server does not answer at its admin address.   CURFEW_CLI_SERVER_UNREACHABLE',
      '  server  http://127.0.0.1:9999',
      '  Fix: Start it with curfew start (or npm run demo), or say where it is with --server.',
      '  More: docs/reference/errors/CURFEW_CLI_SERVER_UNREACHABLE.md'
    ])
  })

  test('asks whether the nearest word was meant', () => {
    const lines = errorLines(renderError(new CurfewError('CURFEW_CLI_FAULT_UNKNOWN', { fault: 'no-respons', didYouMean: 'no-response' })))
    assert.deepEqual(lines.slice(1, 3), ['  fault  no-respons', '  Did you mean no-response?'])
  })

  test('shows no fact whose name speaks of a secret', () => {
    const text = errorLines(renderError(new CurfewError('CURFEW_API_FAILED', { adminToken: 'abcdef' }))).join('\n')
    assert.doesNotMatch(text, /abcdef/)
  })
})

suite('addresses to listen at', () => {
  test('reads IPv4, IPv6 and every address', () => {
    assert.deepEqual(hostPort('127.0.0.1:9031'), { host: '127.0.0.1', port: 9031 })
    assert.deepEqual(hostPort('[::1]:9031'), { host: '::1', port: 9031 })
    assert.deepEqual(hostPort('*:9031'), { host: '::', port: 9031 })
  })
})
