import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { bindingUri, statusUri } from '@curfew/codecs'
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import type { Store } from '../../src/stores/store.ts'
import { openOn } from '../stores/redis/opened.ts'
import { type Server, skipReason, startServer } from '../stores/redis/servers.ts'
import { carriedTo, createArtifactPeer } from '../authority/artifact-peer.ts'
import { createFakeClock } from '../authority/fake-clock.ts'
import { createUpstream, type UpstreamProvider } from '../authority/identity-provider.ts'
import { authorityPair, createKit, type Kit, type KitOptions, signIn } from '../authority/kit.ts'
import { sloSoapUrl } from '../authority/partner.ts'
import { clientOf, codeFor, exchange } from '../authority/oidc/relying-party.ts'
import { open as openApplication, outcomes, settingsOf, startLogout, visit } from '../authority/opentoken/application.ts'
import { artifactSettings } from '../authority/saml/artifact-kit.ts'

/** Two nodes of one authority, each with its own way to the store where the store has several. */
interface Nodes extends AsyncDisposable {
  readonly a: Kit
  readonly b: Kit
  readonly upstream: UpstreamProvider
}

const attempts = 100
const reference = { username: 'app', password: 'app secret' }

async function createNodes(stores: readonly [Store, Store]): Promise<Nodes> {
  const clock = createFakeClock(Temporal.Now.instant().epochMilliseconds)
  const upstream = createUpstream('campus', clock, authorityPair, { profiles: { idpInitiatedSso: true } })
  const options: KitOptions = {
    clock,
    identityProviders: [{ settings: upstream.settings, certificatePem: upstream.pair.certificatePem }],
    clients: [clientOf('wiki')],
    adapters: { applications: [settingsOf('forms', { transport: 'reference', reference }), settingsOf('old')] }
  }
  const a = await createKit({ ...options, store: stores[0], partners: { payroll: artifactSettings('payroll') } })
  const { settings, pair } = a.partner('payroll')
  const b = await createKit({ ...options, store: stores[1], partners: {}, connections: [{ settings, certificatePem: pair.certificatePem }] })
  return {
    a,
    b,
    upstream,
    async [Symbol.asyncDispose]() {
      await a[Symbol.asyncDispose]()
      await b[Symbol.asyncDispose]()
    }
  }
}

/** A hundred at once, half of them at either node: how many got it. */
async function winners({ a, b }: Nodes, use: (kit: Kit) => Promise<boolean>): Promise<number> {
  const results = await Promise.all(Array.from({ length: attempts }, (_, i) => use(i % 2 === 0 ? a : b)))
  return results.filter(Boolean).length
}

function oneTimeValues(open: () => Promise<readonly [Store, Store]>): void {
  test('AC-195 of a hundred resolutions of an artifact at two nodes exactly one gets the message', async () => {
    await using nodes = await createNodes(await open())
    const { a } = nodes
    const browser = a.browser()
    await signIn(browser, '/')
    const { artifact } = carriedTo(await browser.get(await a.partner('payroll').ssoRedirect({ protocolBinding: bindingUri('artifact') })))
    const peer = createArtifactPeer(a.partner('payroll'), a.clock, authorityPair)
    const resolved = (kit: Kit): Promise<boolean> =>
      peer.resolve(kit.app, '/idp/ARS.ssaml2', artifact).then(
        () => true,
        (error: { readonly code?: string }) => error.code !== 'CURFEW_SAML_ARTIFACT_UNRESOLVED'
      )
    assert.equal(await winners(nodes, resolved), 1)
  })

  test('AC-195 of a hundred exchanges of an authorization code at two nodes exactly one gets tokens', async () => {
    await using nodes = await createNodes(await open())
    const code = await codeFor(nodes.a, nodes.a.browser(), 'wiki')
    const exchanged = async (kit: Kit): Promise<boolean> => (await exchange(kit, 'wiki', code)).statusCode === 200
    assert.equal(await winners(nodes, exchanged), 1)
  })

  test('AC-195 of a hundred deliveries of one LogoutRequest at two nodes exactly one is carried out', async () => {
    await using nodes = await createNodes(await open())
    const { a } = nodes
    const payroll = a.partner('payroll')
    const browser = a.browser()
    const page = await signIn(browser, `/idp/startSSO.ping?PartnerSpId=${encodeURIComponent(payroll.entityId)}`)
    const { assertion } = payroll.readResponse(page.body).response
    const subject = assertion?.subject.nameId ?? assert.fail('no assertion')
    const payload = await payroll.logoutSoap(payroll.logoutRequest(subject, [], { destination: sloSoapUrl }))
    const carriedOut = async (kit: Kit): Promise<boolean> => {
      const { body } = await kit.app.inject({ method: 'POST', url: '/idp/SLO.ssaml2', headers: { 'content-type': 'text/xml' }, payload })
      return !payroll.readSoapResponse(body).status.subcodes.includes(statusUri.requestDenied)
    }
    assert.equal(await winners(nodes, carriedOut), 1)
    assert.equal((await a.store.listRuns({ limit: 5 })).items.length, 1)
  })

  test('AC-195 of a hundred deliveries of one assertion at two nodes exactly one signs somebody in', async () => {
    await using nodes = await createNodes(await open())
    const { a, upstream } = nodes
    const fields = await upstream.respond({ sessionIndex: 'index-1' })
    const signedIn = async (kit: Kit): Promise<boolean> => {
      const browser = kit.browser()
      let answer = await browser.post('/sp/ACS.saml2', fields)
      for (let i = 0; i < 5 && answer.statusCode === 303; i++) answer = await browser.get(String(answer.headers.location))
      return answer.statusCode === 200 && /Signed in as ana/.test(answer.body)
    }
    assert.equal(await winners(nodes, signedIn), 1)
    assert.equal((await a.store.listSessions({ state: 'live', limit: 5, nowMs: a.clock.nowMs() })).items.length, 1)
  })

  test('AC-195 of a hundred pick-ups of a reference at two nodes exactly one gets the attributes', async () => {
    await using nodes = await createNodes(await open())
    const browser = nodes.a.browser()
    await signIn(browser, '/')
    const { headers } = await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')
    const ref = new URL(String(headers.location)).searchParams.get('REF') ?? ''
    const as = { 'ping.uname': 'app', 'ping.pwd': 'app secret', 'ping.instanceid': 'forms' }
    const pickedUp = async (kit: Kit): Promise<boolean> =>
      (await kit.app.inject({ method: 'GET', url: `/ext/ref/pickup?REF=${ref}`, headers: { accept: 'application/json', ...as } })).statusCode === 200
    assert.equal(await winners(nodes, pickedUp), 1)
  })

  test('AC-023 of a hundred returns by a resume path at two nodes exactly one goes on', async () => {
    await using nodes = await createNodes(await open())
    const browser = nodes.a.browser()
    await openApplication(browser, 'old')
    const run = await startLogout(browser)
    const { path } = (await visit(browser, run)) ?? assert.fail('no visit')
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const returned = async (kit: Kit): Promise<boolean> => (await kit.app.inject({ method: 'GET', url: path, headers: { cookie } })).statusCode === 303
    assert.equal(await winners(nodes, returned), 1)
    assert.deepEqual(await outcomes(nodes.b, run), [['old', 'ended']])
  })
}

suite('One-time values on SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-once-'))
  const stores: Store[] = []
  after(async () => {
    for (const store of stores) await store[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
  oneTimeValues(async () => {
    const store = await openSqliteStore({ file: join(folder, `curfew${stores.length}.db`), capacity: 1000 })
    stores.push(store)
    return [store, store]
  })
})

suite('One-time values on Redis', { skip: skipReason }, () => {
  let server: Server | undefined
  const stores: Store[] = []
  before(async () => {
    server = await startServer()
  })
  after(async () => {
    for (const store of stores) await store[Symbol.asyncDispose]()
    await server?.stop()
  })
  oneTimeValues(async () => {
    const servers = [server ?? assert.fail()]
    const prefix = `once${stores.length}:`
    const pair = [await openOn(servers, { prefix }), await openOn(servers, { prefix })] as const
    stores.push(...pair)
    return pair
  })
})
