import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  decodePost,
  decodeRedirect,
  type LogoutRequest,
  type NameID,
  type PeerKeys,
  type Received,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  type Status,
  status,
  type Verified,
  verificationKeyFromCertificate,
  verifyLogoutRequest,
  verifyLogoutResponse
} from '@curfew/codecs'
import type { LightMyRequestResponse } from 'fastify'
import type { ConnectionSettings } from '../../../src/authority/saml/settings.ts'
import { type ArtifactPeer, carriedTo, type FrontBinding } from '../artifact-peer.ts'
import { type Browser, formOf } from '../browser.ts'
import { authorityPair, type Kit, signInTo } from '../kit.ts'
import { authorityUrl, sloUrl } from '../partner.ts'
import { type ArtifactKit, createArtifactKit } from './artifact-kit.ts'

const authority: PeerKeys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificate)] }
const ars = '/idp/ARS.ssaml2'
const bindings = ['redirect', 'post', 'artifact'] as const

interface Known {
  readonly subject: NameID
  readonly index: string
}

async function signedIn(kit: Kit, ids: readonly string[]): Promise<{ readonly browser: Browser; known(id: string): Known }> {
  const browser = kit.browser()
  const known: Record<string, Known> = {}
  for (const id of ids) {
    const { assertion } = await signInTo(kit, browser, id)
    assert.ok(assertion)
    known[id] = { subject: assertion.subject.nameId, index: assertion.authnStatement?.sessionIndex ?? '' }
  }
  return { browser, known: (id) => known[id] ?? assert.fail(id) }
}

/** Follows the browser inside the authority until it is sent elsewhere or a page stays. */
async function follow(browser: Browser, from: LightMyRequestResponse): Promise<LightMyRequestResponse> {
  let answer = from
  for (let i = 0; i < 12; i++) {
    const next = answer.statusCode === 303 ? String(answer.headers.location) : /http-equiv="refresh" content="[01];url=([^"]+)"/.exec(answer.body)?.[1]
    if (next === undefined || (/^https?:/.test(next) && !next.startsWith(authorityUrl))) return answer
    answer = await browser.get(next)
  }
  return assert.fail('the browser went round and round')
}

/** What the authority sends through the browser, by any binding, as the partner reads it. */
async function received(kit: Kit, peer: ArtifactPeer, answer: LightMyRequestResponse): Promise<Received> {
  if (answer.statusCode === 200) return decodePost(Object.entries(formOf(answer.body).fields))
  const location = String(answer.headers.location)
  if (!location.includes('SAMLart=')) return decodeRedirect(location.slice(location.indexOf('?') + 1))
  return peer.resolve(kit.app, ars, carriedTo(answer).artifact)
}

function answerParts(issuer: string, request: Pick<LogoutRequest, 'id'>, nowMs: number, said: Status = status.success()) {
  return serialiseLogoutResponse({
    kind: 'LogoutResponse',
    id: `_answer${nowMs}${request.id}`,
    issuer,
    issueInstant: Temporal.Instant.fromEpochMilliseconds(nowMs),
    destination: sloUrl,
    inResponseTo: request.id,
    status: said
  })
}

function services(id: string, binding: FrontBinding): Partial<ConnectionSettings> {
  return { slo: [{ binding, url: `http://${id}.test/slo` }] }
}

async function readRequest({ kit, peer }: ArtifactKit, id: string, answer: LightMyRequestResponse): Promise<Verified<LogoutRequest>> {
  return verifyLogoutRequest(await received(kit, peer(id), answer), authority)
}

suite('/idp/SLO.saml2 by every binding', () => {
  for (const binding of bindings) {
    test(`AC-137 takes a LogoutRequest by ${binding} and answers by it, with RelayState; the other is asked by it and answers by it`, async () => {
      const world = await createArtifactKit({ payroll: services('payroll', binding), intranet: services('intranet', binding) })
      const { kit, peer } = world
      await using _kit = kit
      const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
      const payroll = kit.partner('payroll')
      const request = payroll.logoutRequest(known('payroll').subject, [known('payroll').index])
      const parts = serialiseLogoutRequest(request)
      const away = await follow(browser, await peer('payroll').bring(browser, sloUrl, { binding, parameter: 'SAMLRequest', parts, relayState: 'back' }))
      const told = await readRequest(world, 'intranet', away)
      assert.deepEqual(told.subject, known('intranet').subject)
      assert.equal(told.destination, 'http://intranet.test/slo')
      const answer = answerParts(kit.partner('intranet').entityId, told, kit.clock.nowMs())
      const home = await follow(browser, await peer('intranet').bring(browser, sloUrl, { binding, parameter: 'SAMLResponse', parts: answer }))
      const back = verifyLogoutResponse(await received(kit, peer('payroll'), home), authority)
      assert.equal(back.inResponseTo, request.id)
      assert.deepEqual(back.status, status.success())
      const run = (await kit.store.listRuns({ limit: 1 })).items[0]
      assert.deepEqual(
        run?.deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind]),
        [['intranet', 'ended']]
      )
      const relay = home.statusCode === 200 ? formOf(home.body).fields['RelayState'] : new URL(String(home.headers.location)).searchParams.get('RelayState')
      assert.equal(relay, 'back')
    })
  }

  test('AC-137 takes an artifact by a form of another site, without cookies: it goes on in the address, where they show', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const { browser, known } = await signedIn(kit, ['payroll'])
    const request = kit.partner('payroll').logoutRequest(known('payroll').subject, [known('payroll').index])
    const brought = { binding: 'artifact' as const, parameter: 'SAMLRequest' as const, parts: serialiseLogoutRequest(request), relayState: 'a b', byForm: true }
    const posted = await peer('payroll').bring(kit.browser(), sloUrl, brought)
    assert.equal(posted.statusCode, 303)
    assert.match(String(posted.headers.location), /^\/idp\/SLO\.saml2\?SAMLart=/)
    assert.equal(peer('payroll').asked.length, 0)
    const home = carriedTo(await follow(browser, posted))
    assert.equal(home.relayState, 'a b')
    const answer = verifyLogoutResponse(await peer('payroll').resolve(kit.app, ars, home.artifact), authority)
    assert.deepEqual(answer.status, status.success())
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
  })

  test('a partner that answers by artifact what it was asked by redirect is understood', async () => {
    const world = await createArtifactKit({ payroll: services('payroll', 'redirect') })
    const { kit, peer } = world
    await using _kit = kit
    const { browser } = await signedIn(kit, ['payroll'])
    const away = await follow(browser, await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' }))
    const told = await readRequest(world, 'payroll', away)
    const parts = answerParts(kit.partner('payroll').entityId, told, kit.clock.nowMs())
    await peer('payroll').bring(browser, sloUrl, { binding: 'artifact', parameter: 'SAMLResponse', parts })
    assert.equal((await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries[0]?.outcome?.kind, 'ended')
  })
})

suite('A LogoutRequest of ours by HTTP Artifact', () => {
  const asked = async (world: ArtifactKit, binding = '') => {
    const { browser } = await signedIn(world.kit, ['payroll'])
    const query = binding === '' ? '' : `?Binding=${encodeURIComponent(`urn:oasis:names:tc:SAML:2.0:bindings:${binding}`)}`
    return { browser, away: await follow(browser, await browser.get(`/idp/startSLO.ping${query}`, { 'sec-fetch-site': 'same-origin' })) }
  }

  for (const [binding, expected] of [
    ['HTTP-Redirect', /slo\/redirect\?SAMLRequest=/],
    ['HTTP-POST', /slo\/post/],
    ['HTTP-Artifact', /slo\/artifact\?SAMLart=/]
  ] as const) {
    test(`AC-135 is what Binding asks for: ${binding}`, async () => {
      const slo = (['redirect', 'post', 'artifact'] as const).map((one) => ({ binding: one, url: `http://payroll.test/slo/${one}` }))
      const world = await createArtifactKit({ payroll: { slo } })
      await using _kit = world.kit
      const { away } = await asked(world, binding)
      assert.match(away.statusCode === 200 ? formOf(away.body).action : String(away.headers.location), expected)
      const told = await readRequest(world, 'payroll', away)
      assert.match(String(told.destination), new RegExp(`slo/${binding.replace('HTTP-', '').toLowerCase()}$`))
    })
  }

  test('is ended by a partial answer as what it is: refused', async () => {
    const world = await createArtifactKit({ payroll: {} })
    const { kit, peer } = world
    await using _kit = kit
    const { browser, away } = await asked(world)
    const told = await readRequest(world, 'payroll', away)
    const parts = answerParts(kit.partner('payroll').entityId, told, kit.clock.nowMs(), status.partialLogout())
    await peer('payroll').bring(browser, sloUrl, { binding: 'artifact', parameter: 'SAMLResponse', parts })
    assert.equal((await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries[0]?.outcome?.kind, 'refused')
  })

  test('goes through a hidden frame as well, and so does the answer', async () => {
    const world = await createArtifactKit({ payroll: { frames: true } })
    const { kit, peer } = world
    await using _kit = kit
    const { browser } = await signedIn(kit, ['payroll'])
    await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' })
    const run = (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail()
    const frame = await browser.get(`/signoff/${run.id}/frame/${run.deliveries[0]?.id ?? ''}`)
    const told = await readRequest(world, 'payroll', frame)
    const parts = answerParts(kit.partner('payroll').entityId, told, kit.clock.nowMs())
    const done = await peer('payroll').bring(browser, sloUrl, { binding: 'artifact', parameter: 'SAMLResponse', parts })
    assert.equal(done.statusCode, 200)
    assert.match(String(done.headers['content-security-policy']), /frame-ancestors 'self'/)
    assert.equal((await kit.store.getRun(run.id))?.deliveries[0]?.outcome?.kind, 'ended')
  })

  test('that the partner never fetched, or never answered, is not called signed out', async () => {
    for (const fetches of [false, true]) {
      const world = await createArtifactKit({ payroll: {} })
      const { kit } = world
      await using _kit = kit
      const { browser, away } = await asked(world)
      if (fetches) await readRequest(world, 'payroll', away)
      const run = (await kit.store.listRuns({ limit: 1 })).items[0]
      kit.clock.advance(10_000)
      await browser.get(`/signoff/${run?.id ?? ''}/go`)
      const [delivery] = (await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries ?? []
      assert.equal(delivery?.outcome?.kind, 'timed-out')
    }
  })

  test('is carried on by another node when the one that began is gone: message and run are in the store', async () => {
    const world = await createArtifactKit({ payroll: {}, intranet: {} })
    const { kit, peer } = world
    await using _kit = kit
    const { browser } = await signedIn(kit, ['payroll', 'intranet'])
    const away = await follow(browser, await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' }))
    const partners = ['payroll', 'intranet'].map((id) => ({ settings: kit.partner(id).settings, certificatePem: kit.partner(id).pair.certificatePem }))
    await kit.stop()
    const next = await createArtifactKit(
      {},
      {
        after: kit,
        clock: kit.clock,
        connections: partners,
        network: (request) => peer(new URL(request.url).hostname.replace('.test', '')).network(request)
      }
    )
    await using second = next.kit
    const later = second.browser()
    for (const [name, value] of browser.cookies) later.cookies.set(name, value)
    const first = new URL(String(away.headers.location)).hostname.replace('.test', '')
    const told = verifyLogoutRequest(await received(second, peer(first), away), authority)
    const bring = async (id: string, request: LogoutRequest) =>
      follow(
        later,
        await peer(id).bring(later, sloUrl, {
          binding: 'artifact',
          parameter: 'SAMLResponse',
          parts: answerParts(kit.partner(id).entityId, request, kit.clock.nowMs())
        })
      )
    const other = await bring(first, told)
    const rest = first === 'payroll' ? 'intranet' : 'payroll'
    await bring(rest, verifyLogoutRequest(await received(second, peer(rest), other), authority))
    const run = (await second.store.listRuns({ limit: 1 })).items[0]
    assert.equal(run?.state, 'done')
    assert.ok(run.deliveries.every(({ outcome }) => outcome?.kind === 'ended'))
  })
})

suite('A resolution service of a partner that is down', () => {
  const failing: Readonly<Record<string, () => Promise<never>>> = {
    'does not answer': () => Promise.reject(new Error('connect ECONNREFUSED')),
    'hangs until its time is over': () => Promise.reject(Object.assign(new Error('aborted'), { name: 'TimeoutError' }))
  }
  for (const [name, fail] of Object.entries(failing)) {
    for (const byForm of [false, true]) {
      test(`${name}: the browser that brought an answer ${byForm ? 'by form ' : ''}carries its run on, and the outcome is that nobody confirmed`, async () => {
        const world = await createArtifactKit({ payroll: {} })
        const { kit, peer } = world
        await using _kit = kit
        const { browser } = await signedIn(kit, ['payroll'])
        const away = await follow(browser, await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' }))
        const told = await readRequest(world, 'payroll', away)
        peer('payroll').network = fail
        const parts = answerParts(kit.partner('payroll').entityId, told, kit.clock.nowMs())
        const first = await peer('payroll').bring(browser, sloUrl, { binding: 'artifact', parameter: 'SAMLResponse', parts, byForm })
        const back = byForm ? await browser.get(String(first.headers.location)) : first
        const { id } = (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail()
        assert.equal(back.headers.location, `/signoff/${id}`)
        const page = await follow(browser, await browser.get(`/signoff/${id}`))
        assert.match(page.body, /Not signed out everywhere/)
        assert.equal((await kit.store.getRun(id))?.deliveries[0]?.outcome?.kind, 'unconfirmed')
        assert.deepEqual(await kit.store.findByUser('local:ana'), [])
      })
    }
  }

  test('a browser with a request of that partner gets a page that says so, and nothing ended', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const { browser, known } = await signedIn(kit, ['payroll'])
    const parts = serialiseLogoutRequest(kit.partner('payroll').logoutRequest(known('payroll').subject, [known('payroll').index]))
    peer('payroll').network = () => Promise.reject(new Error('connect ECONNREFUSED'))
    const page = await peer('payroll').bring(browser, sloUrl, { binding: 'artifact', parameter: 'SAMLRequest', parts })
    assert.equal(page.statusCode, 502)
    assert.match(page.body, /CURFEW_SAML_PEER_UNREACHABLE/)
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })
})
