import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type LogoutRequest, status } from '@curfew/codecs'
import type { RunView, SessionDetail } from '../../src/admin/schemas.ts'
import { ApiProblem } from '../../src/cli/api-problem.ts'
import { recognise } from '../../src/cli/inspect-input.ts'
import type { Judgement } from '../../src/cli/inspect-judgement.ts'
import { readMessage } from '../../src/cli/inspect-message.ts'
import { judgeMessage } from '../../src/cli/inspect-saml.ts'
import { type AskServer, asked } from '../../src/cli/inspect-server.ts'
import { hashPrefix, shortened } from '../../src/cli/inspect-shorten.ts'
import { judgeTimes } from '../../src/cli/inspect-times.ts'
import { judgeToken } from '../../src/cli/inspect-token.ts'
import { createUpstream } from '../authority/identity-provider.ts'
import { createFakeClock } from '../authority/fake-clock.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { sloSoapUrl, sloUrl } from '../authority/partner.ts'
import { authorityPair, locator, nameId, nowMs, sample, surroundings, token } from './inspect-samples.ts'

const { partner } = await sample()
const known = surroundings(partner)
const sessionId = locator.newSessionId()
const index = locator.seal(partner.entityId, sessionId)

interface JudgeOptions {
  readonly known?: typeof known | undefined
  readonly server?: AskServer | undefined
  readonly atMs?: number
}

async function judge(input: string, options: JudgeOptions = { known }): Promise<Readonly<Record<string, Judgement>>> {
  const found = recognise(input)
  assert.ok(found.kind === 'saml')
  const { description: _, ...read } = readMessage(found.received, found.message, shortened)
  const message = { ...read, received: found.received, ...(found.sentTo === undefined ? {} : { sentTo: found.sentTo }) }
  const judgements = await judgeMessage(message, options.known, options.server, options.atMs ?? nowMs)
  return Object.fromEntries(judgements.map((one) => [one.what, one]))
}

async function request(change: Partial<LogoutRequest> = {}, sessionIndexes: readonly string[] = [index]): Promise<string> {
  return partner.logoutRedirect(partner.logoutRequest({ value: nameId }, sessionIndexes, change))
}

/** The rest of an address is where it was sent: the query alone leaves that open. */
function queryOf(url: string): string {
  return url.slice(url.indexOf('?') + 1)
}

function verdicts(judgements: Readonly<Record<string, Judgement>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(judgements).map(([what, { verdict }]) => [what, verdict]))
}

const live: SessionDetail = {
  id: sessionId,
  user: 'ana',
  source: 'form',
  state: 'live',
  createdAtMs: nowMs,
  lastActivityAtMs: nowMs,
  idleExpiresAtMs: nowMs,
  expiresAtMs: nowMs,
  applications: ['payroll'],
  participants: [{ peer: 'payroll', name: 'Payroll', nameId: `ana.... (sha256 ${hashPrefix(nameId)})`, addedAtMs: nowMs }]
}

const notFound = new ApiProblem({ type: '', title: '', status: 404, code: 'CURFEW_SESSION_UNKNOWN', instance: '' })

/** A server that knows these sessions and runs. */
function serverWith({ sessions = [], runs = [] }: { readonly sessions?: readonly SessionDetail[]; readonly runs?: readonly RunView[] }): AskServer {
  return {
    sessions: async () => ({ items: [...sessions] }),
    session: async (id) => sessions.find((session) => session.id === id) ?? Promise.reject(notFound),
    runs: async () => ({ items: [...runs] })
  }
}

suite('a message where there is no configuration', () => {
  test('is judged by its times, and says what would be needed for the rest', async () => {
    const judgements = await judge(await request(), { known: undefined })
    assert.deepEqual(verdicts(judgements), { signature: 'unknown', destination: 'unknown', issued: 'ok', expiry: 'ok', session: 'unknown' })
    assert.match(judgements['destination']?.why ?? '', /addressed to http:\/\/curfew\.test\/idp\/SLO\.saml2; run it where curfew\.yaml is/)
  })

  test('that was sent to another address than it names is wrong all the same', async () => {
    const moved = (await request()).replace('http://curfew.test', 'http://other.test')
    const { destination } = await judge(moved, { known: undefined })
    assert.deepEqual([destination?.verdict, destination?.why], ['fail', `addressed to ${sloUrl}, but sent to http://other.test/idp/SLO.saml2`])
  })
})

suite('the signature', () => {
  test('of the partner is good', async () => assert.equal((await judge(await request()))['signature']?.verdict, 'ok'))

  test('that somebody else made is not', async () => {
    const other = makeKeyPair('other')
    const { signature } = await judge(await request(), { known: surroundings({ ...partner, pair: other }) })
    assert.equal(signature?.verdict, 'fail')
    assert.match(signature?.why ?? '', /^CURFEW_SAML_SIGN/)
  })

  test('is missing', async () => {
    const unsigned = queryOf(await request()).replace(/&SigAlg=.*$/, '')
    assert.deepEqual((await judge(unsigned))['signature'], { what: 'signature', verdict: 'fail', why: 'there is none' })
  })

  test('of an unknown partner can not be judged, and partners that were not read are named', async () => {
    const unread = new Map([['payroll', 'its metadata comes from an address, and nothing is fetched here']])
    const { signature } = await judge(await request(), { known: { ...known, partners: [], unread } })
    assert.equal(signature?.verdict, 'unknown')
    assert.match(signature?.why ?? '', /payroll was not read: its metadata comes from an address/)
  })
})

suite('SAML Core 3.2.1: the destination', () => {
  test('is the address of this authority', async () => {
    assert.deepEqual((await judge(await request()))['destination'], { what: 'destination', verdict: 'ok', why: `this authority answers at ${sloUrl}` })
  })

  test('is another one: both are named', async () => {
    const { destination } = await judge(queryOf(await request({ destination: 'https://old.test/idp/SLO.saml2' })))
    assert.deepEqual([destination?.verdict, destination?.why], ['fail', `addressed to https://old.test/idp/SLO.saml2, this authority answers at ${sloUrl}`])
  })

  test('is that of another binding', async () => {
    const soap = await partner.logoutSoap(partner.logoutRequest({ value: nameId }, [index]))
    const { destination } = await judge(soap)
    assert.deepEqual([destination?.verdict, destination?.why], ['fail', `addressed to ${sloUrl}, this authority answers at ${sloSoapUrl}`])
  })

  test('of an unknown sender may be that of either role', async () => {
    const { destination } = await judge(queryOf(await request({ issuer: 'http://nobody.test', destination: 'http://x.test/' })))
    assert.match(destination?.why ?? '', /answers at http:\/\/curfew\.test\/idp\/SLO\.saml2 or http:\/\/curfew\.test\/sp\/SLO\.saml2$/)
  })

  test('may be left out by an answer by SOAP and by nothing else that ends sessions', async () => {
    const asking = partner.logoutRequest({ value: nameId }, [], { issuer: 'http://curfew.test' })
    const { destination: _, ...nowhere } = partner.logoutRequest({ value: nameId }, [])
    assert.equal((await judge(await partner.logoutRedirect(nowhere as LogoutRequest)))['destination']?.verdict, 'fail')
    const bySoap = await signedByAuthority((own) => own.logoutSoap(asking))
    assert.equal((await judge(await partner.soapAnswer(bySoap)))['destination']?.verdict, 'ok')
  })

  test('of a message of this authority is an address of the partner', async () => {
    const send = (destination: string): Promise<string> =>
      signedByAuthority((own) => own.logoutSoap(partner.logoutRequest({ value: nameId }, [], { issuer: 'http://curfew.test', destination })))
    const withSoap = { ...partner, settings: { ...partner.settings, slo: [{ binding: 'soap' as const, url: 'http://payroll.test/soap' }] } }
    const good = await judge(await send('http://payroll.test/soap'), { known: surroundings(withSoap) })
    assert.deepEqual(good['destination'], { what: 'destination', verdict: 'ok', why: 'payroll answers at http://payroll.test/soap' })
    const bad = await judge(await send('http://payroll.test/old'), { known: surroundings(withSoap) })
    assert.deepEqual(bad['destination']?.why, 'addressed to http://payroll.test/old, a partner answers at http://payroll.test/soap')
  })
})

/** Writes a message with the key of the authority. */
async function signedByAuthority(write: (own: typeof partner) => Promise<string>): Promise<string> {
  const { createPartner } = await import('../authority/partner.ts')
  const own = await createPartner('curfew', createFakeClock(nowMs), authorityPair)
  const { encodeSoap, serialiseLogoutRequest, signMessage } = await import('@curfew/codecs')
  return write({
    ...own,
    logoutSoap: async (message) => encodeSoap(await signMessage(serialiseLogoutRequest(message), { key: authorityPair.key, algorithm: 'ecdsa-sha256' }))
  })
}

suite('SAML Core 3.7.1: times against this clock', () => {
  const at = (offsetSeconds: number): number => nowMs + offsetSeconds * 1000
  const cases: readonly (readonly [string, Parameters<typeof judgeTimes>[0], string, RegExp])[] = [
    ['was just sent', { issuedAtMs: at(-12), limitsAge: true }, 'ok', /^12 s ago; just sent, that is the difference of the clocks$/],
    ['comes from a clock a little ahead', { issuedAtMs: at(60), limitsAge: true }, 'ok', /60 s in the future/],
    ['comes from a clock too far ahead', { issuedAtMs: at(61), limitsAge: true }, 'fail', /^61 s in the future: .* 60 s are allowed$/],
    ['is as old as one without an end may be', { issuedAtMs: at(-360), limitsAge: true }, 'ok', /^360 s ago/],
    ['is older', { issuedAtMs: at(-361), limitsAge: true }, 'warn', /refused from 360 s on/],
    ['is old and names an end', { issuedAtMs: at(-9_000), limitsAge: false }, 'ok', /9000 s ago/],
    ['is valid', { expiresAtMs: at(1), limitsAge: false }, 'ok', /valid for 1 s/],
    ['ended within the difference of clocks', { expiresAtMs: at(-59), limitsAge: false }, 'warn', /refused when that is 60 s/],
    ['ended before that', { expiresAtMs: at(-60), limitsAge: false }, 'fail', /expired 60 s ago/],
    ['begins within the difference of clocks', { notBeforeAtMs: at(60), limitsAge: false }, 'ok', /valid in 60 s/],
    ['begins later', { notBeforeAtMs: at(61), limitsAge: false }, 'fail', /valid in 61 s only/]
  ]
  for (const [what, times, verdict, why] of cases) {
    test(`a message that ${what}: ${verdict}`, () => {
      const [judgement, ...others] = judgeTimes(times, nowMs, 60)
      assert.deepEqual([judgement?.verdict, others.length], [verdict, 0])
      assert.match(judgement?.why ?? '', why)
    })
  }

  test('an assertion has the times of its conditions', async () => {
    const upstream = createUpstream('school', createFakeClock(nowMs), authorityPair)
    const fields = await upstream.respond({ username: nameId })
    const judgements = await judge(fields['SAMLResponse'] ?? '', { known: undefined, atMs: nowMs + 400_000 })
    assert.deepEqual([judgements['issued']?.verdict, judgements['expiry']?.verdict], ['ok', 'fail'])
  })
})

suite('SAML Core 3.7.3: the session of a LogoutRequest', () => {
  test('is not asked for without a server', async () => {
    assert.deepEqual((await judge(await request()))['session'], { what: 'session', verdict: 'unknown', why: 'not asked: no server' })
  })

  test('can not be found when the SessionIndex was not issued here', async () => {
    const { session } = await judge(await request({}, ['made-up']))
    assert.deepEqual([session?.verdict, session?.why], ['fail', 'SessionIndex made-up was not issued here to payroll'])
    const foreign = await judge(await request({}, [locator.seal('http://intranet.test/saml', sessionId)]))
    assert.equal(foreign['session']?.verdict, 'fail')
  })

  const cases: readonly (readonly [string, readonly SessionDetail[], string, RegExp])[] = [
    ['is live and knows this name', [live], 'ok', /is live$/],
    [
      'has ended',
      [{ ...live, state: 'ended', end: { atMs: nowMs, reason: 'user', by: 'user ana', run: 'run_1' } }],
      'warn',
      /ended at 2026-11-24T10:00:00\.000Z by run_1/
    ],
    ['is past its limits', [{ ...live, state: 'expired' }], 'warn', /past its limits/],
    ['is not kept', [], 'fail', /no such session is kept/],
    ['is one without this partner', [{ ...live, participants: [] }], 'fail', /payroll takes no part/],
    [
      'knows the partner under another name',
      [{ ...live, participants: [{ ...live.participants[0]!, nameId: shortened('somebody else') }] }],
      'fail',
      /under another name/
    ]
  ]
  for (const [what, sessions, verdict, why] of cases) {
    test(`${what}: ${verdict}`, async () => {
      const { session } = await judge(await request(), { known, server: serverWith({ sessions }) })
      assert.equal(session?.verdict, verdict)
      assert.match(session?.why ?? '', why)
    })
  }

  test('is looked for by name when no SessionIndex is named', async () => {
    const found = await judge(await request({}, []), { known, server: serverWith({ sessions: [live] }) })
    assert.equal(found['session']?.verdict, 'ok')
    const none = await judge(await request({}, []), { known, server: serverWith({}) })
    assert.deepEqual([none['session']?.verdict, none['session']?.why], ['fail', 'no live session is known to payroll under this name'])
  })
})

suite('SAML Core 3.2.2: the request that is answered', () => {
  const sent: RunView = {
    id: 'run_7Q2M',
    version: 1,
    session: sessionId,
    user: 'ana',
    reason: 'admin',
    startedBy: 'cli',
    starter: 'none',
    state: 'open',
    verdict: 'working',
    startedAtMs: nowMs,
    deadlineAtMs: nowMs,
    hasReceipt: false,
    deliveries: [
      {
        id: 'dlv_1',
        peer: 'payroll',
        name: 'Payroll',
        state: 'waiting-for-browser',
        channels: ['hop/redirect'],
        attempts: [{ number: 2, channel: 'hop/redirect', url: 'http://payroll.test/slo', messageId: '_ours', startedAtMs: nowMs }],
        attemptsMax: 4
      }
    ]
  }
  const finalWith = (outcome: string): RunView => ({ ...sent, deliveries: sent.deliveries.map((one) => ({ ...one, state: 'final', outcome })) })
  const answerTo = async (id: string): Promise<string> => partner.logoutAnswer({ ...partner.logoutRequest({ value: nameId }, []), id }, status.success())

  const cases: readonly (readonly [string, readonly RunView[], string, RegExp])[] = [
    ['is open', [sent], 'ok', /attempt 2 of run_7Q2M, which is waiting-for-browser/],
    ['is proved already', [finalWith('ended')], 'ok', /final: ended/],
    ['was given up', [finalWith('timed-out')], 'warn', /final: timed-out/],
    ['was sent by no run', [], 'fail', /no run sent payroll a request with this ID/],
    ['was sent to another partner', [{ ...sent, deliveries: sent.deliveries.map((one) => ({ ...one, peer: 'intranet' })) }], 'fail', /no run sent payroll/]
  ]
  for (const [what, runs, verdict, why] of cases) {
    test(`${what}: ${verdict}`, async () => {
      const { InResponseTo } = await judge(await answerTo('_ours'), { known, server: serverWith({ runs }) })
      assert.equal(InResponseTo?.verdict, verdict)
      assert.match(InResponseTo?.why ?? '', why)
    })
  }

  test('is not asked for without a server', async () => {
    assert.equal((await judge(await answerTo('_ours')))['InResponseTo']?.why, 'not asked: no server')
  })

  test('is not guessed when more runs exist than are looked through', async () => {
    const endless: AskServer = { ...serverWith({}), runs: async () => ({ items: [finalWith('ended')], nextCursor: 'more' }) }
    const { InResponseTo } = await judge(await answerTo('_other'), { known, server: endless })
    assert.deepEqual([InResponseTo?.verdict, InResponseTo?.why], ['unknown', 'not among the latest 2000 runs of payroll'])
  })

  test('a sign-in that was not asked for names none', async () => {
    const upstream = createUpstream('school', createFakeClock(nowMs), authorityPair)
    const { InResponseTo } = await judge((await upstream.respond({}))['SAMLResponse'] ?? '')
    assert.deepEqual([InResponseTo?.verdict, InResponseTo?.why], ['ok', 'none: it was sent unasked'])
  })
})

suite('a server that does not answer the question', () => {
  test('leaves it open with the reason', async () => {
    const refused = new ApiProblem({ type: '', title: '', status: 401, code: 'CURFEW_API_UNAUTHORISED', instance: '' })
    assert.equal((await asked('session', serverWith({}), () => Promise.reject(refused))).why, 'not asked: CURFEW_API_UNAUTHORISED')
    assert.equal((await asked('session', serverWith({}), () => Promise.reject(new SyntaxError('no JSON')))).verdict, 'unknown')
  })
})

suite('a token', () => {
  const sid = locator.seal('wiki', sessionId)
  const seconds = nowMs / 1000
  const claims = { iss: 'http://curfew.test', aud: 'wiki', sub: nameId, sid, iat: seconds - 5, exp: seconds + 115 }
  const judgeJwt = async (text: string, options: JudgeOptions = { known }): Promise<Readonly<Record<string, Judgement>>> => {
    const found = recognise(text)
    assert.ok(found.kind === 'jwt')
    const judgements = await judgeToken(found.token, found.peek, options.known, options.server, nowMs)
    return Object.fromEntries(judgements.map((one) => [one.what, one]))
  }
  const wiki: SessionDetail = { ...live, participants: [{ ...live.participants[0]!, peer: 'wiki' }] }

  test('of this authority is good', async () => {
    const judgements = await judgeJwt(token(claims), { known, server: serverWith({ sessions: [wiki] }) })
    assert.deepEqual(verdicts(judgements), { signature: 'ok', audience: 'ok', issued: 'ok', expiry: 'ok', session: 'ok' })
  })

  test('that names this authority and was made by somebody else is not', async () => {
    assert.equal((await judgeJwt(token(claims, {}, makeKeyPair('other'))))['signature']?.verdict, 'fail')
    assert.equal(
      (await judgeJwt(token(claims).replace(/\.[^.]*\./, `.${Buffer.from('{"iss":"http://curfew.test"}').toString('base64url')}.`)))['signature']?.verdict,
      'fail'
    )
  })

  test('without a signature is not', async () => {
    const unsigned = token(claims, { alg: 'none' }).replace(/[^.]*$/, '')
    assert.deepEqual((await judgeJwt(unsigned))['signature'], { what: 'signature', verdict: 'fail', why: 'there is none' })
  })

  test('for an unknown client, with a foreign sid, or past its end is not', async () => {
    assert.equal((await judgeJwt(token({ ...claims, aud: 'chat' })))['audience']?.verdict, 'fail')
    assert.equal((await judgeJwt(token({ ...claims, sid: locator.seal('chat', sessionId) })))['session']?.verdict, 'fail')
    assert.equal((await judgeJwt(token({ ...claims, exp: seconds - 60 })))['expiry']?.verdict, 'fail')
    assert.equal((await judgeJwt(token({ ...claims, nbf: seconds + 61 })))['start']?.verdict, 'fail')
  })

  test('of somebody unknown, or where there is no configuration, can not be judged', async () => {
    assert.equal((await judgeJwt(token({ ...claims, iss: 'https://other.test' })))['signature']?.verdict, 'unknown')
    assert.deepEqual(verdicts(await judgeJwt(token(claims), { known: undefined })), { signature: 'unknown', issued: 'ok', expiry: 'ok' })
    assert.equal((await judgeJwt(token(claims, { alg: 'HS256' })))['signature']?.verdict, 'unknown')
  })
})
