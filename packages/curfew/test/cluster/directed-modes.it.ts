import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status } from '@curfew/codecs'
import { sampleEnd, sampleParticipant, sampleSession, t0 } from '../../src/stores/conformance/samples.ts'
import type { Store } from '../../src/stores/store.ts'
import { createKit, type Kit, signInTo } from '../authority/kit.ts'
import { startModeServers } from '../support/mode-servers.ts'
import type { Mode } from '../support/modes.ts'
import { openOn } from '../stores/redis/opened.ts'
import { skipReason, startServer } from '../stores/redis/servers.ts'

const modes: Readonly<Partial<Record<Mode, string>>> = {
  adaptive: 'adaptive',
  shared: 'directed, sharing all nodes',
  'state-servers': 'directed, state servers',
  subclusters: 'directed, subclusters'
}
const soapUrl = 'http://curfew.test/idp/SLO.ssaml2'

/** A LogoutRequest by SOAP, without any browser: what it ends is found in the registry alone. */
async function soapLogout(kit: Kit, { subject, index }: Awaited<ReturnType<typeof issued>>): Promise<string | undefined> {
  const payroll = kit.partner('payroll')
  const payload = await payroll.logoutSoap(payroll.logoutRequest(subject, [index], { destination: soapUrl }))
  const answer = await kit.app.inject({ method: 'POST', url: '/idp/SLO.ssaml2', headers: { 'content-type': 'text/xml' }, payload })
  return payroll.readSoapResponse(answer.body).status.code
}

/** What the assertion to a partner says. */
async function issued(kit: Kit, browser: ReturnType<Kit['browser']>, id: string) {
  const { assertion } = await signInTo(kit, browser, id)
  assert.ok(assertion)
  return { subject: assertion.subject.nameId, index: assertion.authnStatement?.sessionIndex ?? assert.fail('no SessionIndex') }
}

suite('the IdP session registry in every mode', { skip: skipReason }, () => {
  for (const [mode, title] of Object.entries(modes) as [Mode, string][])
    test(`AC-007 ${title}: whichever node a LogoutRequest reaches, the session is found by its index and every partner of it is asked`, async () => {
      await using servers = await startModeServers(mode)
      const asked: string[] = []
      await using kit = await createKit({
        setting: { mode, groups: servers.groups },
        partners: { payroll: {}, intranet: { slo: [{ binding: 'soap', url: 'http://intranet.test/soap' }] } },
        async network({ url, body }) {
          asked.push(url)
          return { status: 200, body: Buffer.from(await kit.partner('intranet').soapAnswer(body ?? '')) }
        }
      })
      for (const round of [1, 2]) {
        const browser = kit.browser()
        const known = await issued(kit, browser, 'payroll')
        await issued(kit, browser, 'intranet')
        // Requests go to each node in turn: one more, and the second round comes to the other one.
        if (round === 2) await kit.app.inject('/pf/heartbeat.ping')
        const [session] = await kit.store.findByUser('local:ana')
        assert.ok(session !== undefined)
        assert.equal(await soapLogout(kit, known), status.success().code)
        assert.deepEqual(asked.splice(0), ['http://intranet.test/soap'])
        assert.deepEqual(await kit.store.findByUser('local:ana'), [])
        assert.equal(await kit.store.isRevoked(session.sri, kit.clock.nowMs()), true)
      }
    })
})

suite('directed clustering: sharing all nodes', { skip: skipReason }, () => {
  test('AC-186 three nodes on one store: what any of them writes, every other one has at once, in each of the services', async () => {
    const server = await startServer()
    const nodes = [await openOn([server], { prefix: 'all:' }), await openOn([server], { prefix: 'all:' }), await openOn([server], { prefix: 'all:' })]
    try {
      let n = 0
      for (const writer of nodes)
        for (const reader of nodes)
          if (reader !== writer) {
            n += 1
            await sharesSessions(writer, reader, n)
            await sharesServices(writer, reader, n)
          }
      assert.equal(n, 6)
    } finally {
      for (const node of nodes) await node[Symbol.asyncDispose]()
      await server.stop()
    }
  })
})

/** Authentication sessions, both registries, runs with their effects, revoked SRIs. */
async function sharesSessions(writer: Store, reader: Store, n: number): Promise<void> {
  const session = sampleSession(n, { username: `user${n}` })
  await writer.openSession(session)
  assert.equal((await reader.findSessionByToken(session.tokenHash))?.id, session.id)
  const application = sampleParticipant('payroll', n)
  const upstream = sampleParticipant('campus', n, { id: 'campus:0', role: 'upstream' })
  await writer.addParticipant(session.id, application)
  await writer.addParticipant(session.id, upstream)
  assert.equal((await reader.findByIndex('payroll', `payroll-index-${n}`))?.session.id, session.id)
  assert.equal((await reader.findByIndex('campus', `campus-index-${n}`))?.participant.role, 'upstream')
  const live = await reader.getSession(session.id)
  assert.ok(live !== undefined)
  const ending = sampleEnd(n, live, [application])
  assert.equal((await writer.endSession(ending)).value.kind, 'ended')
  assert.equal((await reader.getSession(session.id))?.end?.reason, ending.end.reason)
  assert.equal((await reader.getRun(ending.run.id))?.sessionId, session.id)
  assert.equal(await reader.isRevoked(session.sri, t0), true)
  assert.ok((await reader.revocationFeed(0, 100)).some(({ sri }) => sri === session.sri))
  const claimed = await reader.claimEffects({ owner: `node ${n}`, nowMs: Number.MAX_SAFE_INTEGER - 60_000, leaseMs: 30_000, max: 100 })
  assert.ok(
    claimed.some(({ runId }) => runId === ending.run.id),
    'another node carries the run on'
  )
}

/** Assertion replay, account locking, reference tokens, one-time values, transactions. */
async function sharesServices(writer: Store, reader: Store, n: number): Promise<void> {
  const untilMs = t0 + 60_000
  assert.equal((await writer.replaySeen('https://idp.example', `id ${n}`, untilMs, t0)).value, 'fresh')
  assert.equal((await reader.replaySeen('https://idp.example', `id ${n}`, untilMs, t0)).value, 'seen')
  assert.equal((await writer.lockBump(`form:locked${n}`, t0, 60_000)).value, 1)
  assert.equal((await reader.lockBump(`form:locked${n}`, t0, 60_000)).value, 2)
  await writer.putArtifact({ kind: 'AccessToken', id: `token ${n}`, untilMs, value: { scope: 'openid' } })
  assert.deepEqual((await reader.getArtifact('AccessToken', `token ${n}`, t0))?.value, { scope: 'openid' })
  assert.equal((await reader.dropArtifact('AccessToken', `token ${n}`)).value, 'dropped')
  assert.equal(await writer.getArtifact('AccessToken', `token ${n}`, t0), undefined)
  await writer.putArtifact({ kind: 'AuthorizationCode', id: `code ${n}`, untilMs, value: {} })
  assert.equal((await reader.consumeArtifact('AuthorizationCode', `code ${n}`, t0)).value, 'consumed')
  assert.equal((await writer.consumeArtifact('AuthorizationCode', `code ${n}`, t0)).value, 'already')
  await writer.txCreate(`signon:${n}`, { step: n }, untilMs)
  assert.deepEqual((await reader.txTake(`signon:${n}`, t0)).value, { step: n })
  assert.equal((await writer.txTake(`signon:${n}`, t0)).value, undefined)
}
