import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../browser.ts'
import { createKit, type Kit, type KitOptions } from '../kit.ts'
import { clientOf, secret, signInOn } from '../oidc/relying-party.ts'
import { until } from '../../support/until.ts'
import { liveSessions } from '../saml-sp/hub.ts'

const opUrl = 'http://op.test'
const typed = { 'sec-fetch-site': 'none' }

interface Pair {
  /** The OpenID provider: an authority with people of its own, and an application. */
  readonly op: Kit
  /** The hub: an authority whose people come from the provider. */
  readonly hub: Kit
  /** One browser at both. */
  readonly visit: (url: string) => Promise<{ readonly statusCode: number; readonly body: string; readonly location: string }>
  readonly at: { readonly op: Browser; readonly hub: Browser }
}

/** Two whole authorities, connected as an OpenID provider and its client. */
async function createPair(modes: readonly ('backChannel' | 'frontChannel')[], options: KitOptions = {}): Promise<Pair & AsyncDisposable> {
  const startMs = Temporal.Now.instant().epochMilliseconds
  const own = 'http://curfew.test/sp/op'
  const route =
    (kit: () => Kit, origin: string): NonNullable<KitOptions['network']> =>
    async ({ url, method, headers, body }) => {
      if (!url.startsWith(origin)) throw new Error(`nobody at ${url}`)
      const answer = await kit().app.inject({
        method,
        url: url.slice(origin.length),
        headers: { ...headers, host: new URL(origin).host },
        ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : Buffer.from(body) })
      })
      const plain = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]))
      return { status: answer.statusCode, headers: plain, body: answer.rawPayload }
    }
  let hub: Kit | undefined
  const op = await createKit({
    baseUrl: opUrl,
    startMs,
    partners: {},
    clients: [
      clientOf('hub', {
        redirectUris: [`${own}/cb.openid`],
        postLogoutRedirectUris: [`${own}/logged-out.openid`],
        logout: { modes, backChannelUri: `${own}/backchannel-logout.openid`, frontChannelUris: [`${own}/frontchannel-logout.openid`] }
      })
    ],
    network: route(() => hub ?? assert.fail(), 'http://curfew.test')
  })
  hub = await createKit({
    startMs,
    partners: { payroll: {} },
    upstreams: [{ id: 'op', name: 'Upstream', issuer: opUrl, clientId: 'hub', clientSecret: secret, username: 'preferred_username' }],
    network: route(() => op, opUrl),
    ...options,
    signOn: { hasForm: false }
  })
  const at = { op: op.browser(), hub: hub.browser() }
  const visit: Pair['visit'] = async (start) => {
    let url = start
    for (let i = 0; i < 20; i++) {
      const here = url.startsWith(opUrl) ? at.op : at.hub
      // The page of a run is live: it is looked at once nothing is under way any more.
      if (/\/signoff\/run_\w+$/.test(url) && !(await isQuiet(url.startsWith(opUrl) ? op : hub))) return { statusCode: 200, body: '', location: url }
      const answer = await here.get(url, typed)
      const location = String(answer.headers.location ?? '')
      if (answer.statusCode !== 303 && answer.statusCode !== 302) return { statusCode: answer.statusCode, body: answer.body, location: url }
      url = new URL(location, url.startsWith(opUrl) ? opUrl : 'http://curfew.test').href
      if (!/^http:\/\/(op|curfew)\.test\//.test(url)) return { statusCode: answer.statusCode, body: '', location: url }
    }
    return assert.fail(`more redirects than a browser follows, at ${url}`)
  }
  return {
    op,
    hub,
    at,
    visit,
    async [Symbol.asyncDispose]() {
      await hub?.[Symbol.asyncDispose]()
      await op[Symbol.asyncDispose]()
    }
  }
}

async function signIn({ at, visit, hub }: Pair): Promise<void> {
  const form = await visit('http://curfew.test/sp/startSSO.ping')
  assert.ok(form.location.startsWith(opUrl), form.location)
  const sent = await signInOn(at.op, { body: form.body } as Parameters<typeof signInOn>[1])
  await visit(new URL(String(sent.headers.location), opUrl).href)
  assert.deepEqual(
    (await liveSessions(hub)).map(({ username }) => username),
    ['ana']
  )
}

/** Waits for server-to-server work; false while frames or hops are left. */
async function isQuiet(kit: Kit | undefined): Promise<boolean> {
  if (kit === undefined) return true
  await until('nothing is left but what waits for the browser', async () =>
    (await lastRun(kit)).deliveries.every(({ state }) => state === 'final' || state === 'waiting-for-browser')
  )
  await until('a run of which all is final is done', async () => {
    const { state, deliveries } = await lastRun(kit)
    return state === 'done' || deliveries.some((delivery) => delivery.state !== 'final')
  })
  return (await lastRun(kit)).state === 'done'
}

async function lastRun(kit: Kit) {
  return (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail('there is a run')
}

async function settled(kit: Kit): Promise<void> {
  await until('the run is done', async () => (await lastRun(kit)).state === 'done', { everyMs: 5 })
}

suite('An authority behind another, by OpenID', () => {
  test('AC-170 AC-216 started at the provider: its logout token ends the session of the hub, whose run does not come back', async () => {
    await using pair = await createPair(['backChannel'])
    const { op, hub, visit } = pair
    await signIn(pair)
    await visit(`${opUrl}/idp/startSLO.ping`)
    await settled(op)
    assert.deepEqual([await liveSessions(op), await liveSessions(hub)], [[], []])
    const upper = await lastRun(op)
    assert.deepEqual(
      upper.deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind]),
      [['hub', 'ended']]
    )
    const lower = await lastRun(hub)
    assert.deepEqual([lower.reason, lower.deliveries.length], ['upstream', 0])
    assert.equal((await op.store.listRuns({ limit: 5 })).items.length + (await hub.store.listRuns({ limit: 5 })).items.length, 2)
  })

  test('AC-170 AC-216 started at the hub: the provider ends its session by the hint, and its logout token proves it', async () => {
    await using pair = await createPair(['backChannel'])
    const { op, hub, visit } = pair
    await signIn(pair)
    await visit('http://curfew.test/sp/startSLO.ping')
    const run = await lastRun(hub)
    const back = await visit(`http://curfew.test/signoff/${run.id}/go`)
    await settled(hub)
    assert.deepEqual([await liveSessions(op), await liveSessions(hub)], [[], []])
    assert.deepEqual(
      (await lastRun(hub)).deliveries.map(({ peerId, outcome, attempts }) => [peerId, outcome?.kind, attempts.length]),
      [['op', 'ended', 1]]
    )
    assert.ok(back.location.startsWith('http://curfew.test/signoff/'), back.location)
    assert.match((await visit(`http://curfew.test/signoff/${run.id}`)).body, /signed out everywhere/)
    // Two authorities, two runs: nobody was told twice.
    assert.equal((await op.store.listRuns({ limit: 5 })).items.length + (await hub.store.listRuns({ limit: 5 })).items.length, 2)
  })

  test('AC-170 a provider that tells by frames ends the session of the hub, and says truthfully that it can not know', async () => {
    await using pair = await createPair(['frontChannel'])
    const { op, hub, visit, at } = pair
    await signIn(pair)
    await visit(`${opUrl}/idp/startSLO.ping`)
    const run = await lastRun(op)
    const [delivery] = run.deliveries
    const frame = await at.op.get(`/signoff/${run.id}/frame/${delivery?.id}`)
    const loaded = await hub.app.inject({ url: String(frame.headers.location).replace('http://curfew.test', '') })
    assert.equal(loaded.statusCode, 200)
    assert.deepEqual(await liveSessions(hub), [])
    await until('nobody waits for the frame any longer', async () => {
      await op.clock.advance(1_000)
      return (await lastRun(op)).state === 'done'
    })
    assert.equal((await lastRun(op)).deliveries[0]?.outcome?.kind, 'unconfirmed')
  })
})
