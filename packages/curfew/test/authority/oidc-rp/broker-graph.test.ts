import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Delivery } from '../../../src/core/run.ts'
import type { Browser } from '../browser.ts'
import { createKit, type Kit, type KitOptions } from '../kit.ts'
import { clientOf, secret, signInOn } from '../oidc/relying-party.ts'
import { liveSessions } from '../saml-sp/hub.ts'

const typed = { 'sec-fetch-site': 'none' }

/** Three authorities in a row, each the OpenID provider of the next: people sign in at `top`. */
const chain = ['top', 'middle', 'leaf'] as const
type Name = (typeof chain)[number]

const urlOf = (name: string): string => `http://${name}.test`

interface Graph extends AsyncDisposable {
  readonly kits: ReadonlyMap<string, Kit>
  /** Every server-to-server message, as `from -> path`. */
  readonly told: string[]
  /** One browser at all of them: follows redirects and carries sign-off pages on; where it ends. */
  visit(url: string): Promise<{ readonly url: string; readonly body: string }>
  browserAt(name: Name): Browser
}

async function createGraph(): Promise<Graph> {
  const kits = new Map<string, Kit>()
  const told: string[] = []
  const network =
    (from: string): NonNullable<KitOptions['network']> =>
    async ({ url, method, headers, body }) => {
      const { host, origin, pathname } = new URL(url)
      const kit = kits.get(host.replace('.test', ''))
      if (kit === undefined) throw new Error(`nobody at ${url}`)
      if (pathname.includes('logout')) told.push(`${from} -> ${host}`)
      const answer = await kit.app.inject({
        method,
        url: url.slice(origin.length),
        headers: { ...headers, host },
        ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : Buffer.from(body) })
      })
      const plain = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]))
      return { status: answer.statusCode, headers: plain, body: answer.rawPayload }
    }
  for (const [i, name] of chain.entries()) {
    const above = chain[i - 1]
    const below = chain[i + 1]
    const own = `${urlOf(below ?? '')}/sp/${name}`
    const client = clientOf(below ?? '', {
      redirectUris: [`${own}/cb.openid`],
      postLogoutRedirectUris: [`${own}/logged-out.openid`],
      logout: { modes: ['backChannel'], backChannelUri: `${own}/backchannel-logout.openid` }
    })
    const upstream = { id: above ?? '', issuer: urlOf(above ?? ''), clientId: name, clientSecret: secret, username: 'preferred_username' }
    kits.set(
      name,
      await createKit({
        baseUrl: urlOf(name),
        startMs: Temporal.Now.instant().epochMilliseconds,
        partners: {},
        network: network(name),
        clients: below === undefined ? [] : [client],
        upstreams: above === undefined ? [] : [upstream],
        signOn: { hasForm: above === undefined }
      })
    )
  }
  const browsers = new Map([...kits].map(([name, kit]) => [name, kit.browser()]))
  const nameAt = (url: string): string => new URL(url).host.replace('.test', '')
  const visit: Graph['visit'] = async (start) => {
    let url = start
    for (let i = 0; i < 60; i++) {
      const name = nameAt(url)
      const browser = browsers.get(name) ?? assert.fail(url)
      // The page of a run is live: the browser goes on from it as its refresh does, once the servers have had their turn.
      const page = /^\/signoff\/(run_\w+)$/.exec(new URL(url).pathname)?.[1]
      const isOpen = page !== undefined && (await runOf(kits.get(name) ?? assert.fail(), page)).state === 'open'
      const answer = await browser.get(isOpen ? `${url}/go` : url, typed)
      if (answer.statusCode !== 303 && answer.statusCode !== 302) return { url, body: answer.body }
      url = new URL(String(answer.headers.location), urlOf(name)).href
    }
    return assert.fail(`more redirects than a browser follows, at ${url}`)
  }
  return {
    kits,
    told,
    visit,
    browserAt: (name) => browsers.get(name) ?? assert.fail(name),
    async [Symbol.asyncDispose]() {
      for (const kit of [...kits.values()].toReversed()) await kit[Symbol.asyncDispose]()
    }
  }
}

function isUnderWay({ state, channels, channelIndex }: Delivery): boolean {
  return state === 'pending' || (state === 'sent' && channels[channelIndex]?.kind === 'server')
}

/** The run as it is once nothing is on its way from server to server. */
async function runOf(kit: Kit, id: string) {
  const read = async () => (await kit.store.getRun(id as `run_${string}`)) ?? assert.fail(id)
  for (let i = 0; i < 5_000 && (await read()).deliveries.some(isUnderWay); i++) await new Promise((resolve) => setTimeout(resolve, 5))
  return read()
}

/** Signs in at the leaf, through the middle, at the form of the top. */
async function signIn({ visit, browserAt, kits }: Graph): Promise<void> {
  const form = await visit(`${urlOf('leaf')}/sp/startSSO.ping`)
  assert.ok(form.url.startsWith(urlOf('top')), form.url)
  const sent = await signInOn(browserAt('top'), { body: form.body } as Parameters<typeof signInOn>[1])
  await visit(new URL(String(sent.headers.location), urlOf('top')).href)
  for (const [name, kit] of kits) assert.equal((await liveSessions(kit)).length, 1, name)
}

suite('A graph of brokers: three levels, and a cycle between each two of them', () => {
  for (const starter of chain) {
    test(`AC-216 a logout that starts at the ${starter} ends every session, runs once at each authority, and tells each exactly once`, async () => {
      await using graph = await createGraph()
      await signIn(graph)
      await graph.visit(`${urlOf(starter)}/${starter === 'top' ? 'idp' : 'sp'}/startSLO.ping`)
      for (const [name, kit] of graph.kits) {
        assert.deepEqual(await liveSessions(kit), [], `${name} has no session left`)
        const { items } = await kit.store.listRuns({ limit: 10 })
        assert.equal(items.length, 1, `${name} has one run`)
        const run = await runOf(kit, items[0]?.id ?? '')
        for (const delivery of run.deliveries) {
          assert.deepEqual([delivery.outcome?.kind, delivery.attempts.length], ['ended', 1], `${name} told ${delivery.peerId}`)
        }
        const asked = run.deliveries.map(({ peerId }) => peerId)
        assert.equal(new Set(asked).size, asked.length, `${name} told nobody twice`)
        if (run.starter.kind === 'participant') assert.ok(!asked.includes(run.starter.peerId), `${name} did not call ${run.starter.peerId} back`)
      }
      assert.equal(new Set(graph.told).size, graph.told.length, graph.told.join(', '))
      assert.deepEqual([...graph.told].sort(), ['middle -> leaf.test', 'top -> middle.test'])
    })
  }
})
