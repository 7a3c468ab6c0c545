import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunView, SessionView } from '../../src/admin/schemas.ts'
import { writeInstallation } from '../../src/cli/commands/init.ts'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { freeRange } from '../support/ports.ts'
import { bin } from '../support/bin.ts'

/** Three processes in a row: people sign in at `top`, each is the identity provider of the next. */
const chain = ['top', 'middle', 'leaf'] as const
type Name = (typeof chain)[number]
type Protocol = 'saml' | 'oidc'

/** How two neighbours talk; they tell each other, so each edge is a cycle. */
interface Edges {
  readonly title: string
  /** Between top and middle, between middle and leaf. */
  readonly protocols: readonly [Protocol, Protocol]
  /** How the lower one asks the upper one by SAML; the upper one asks by SOAP. */
  readonly upwards: 'soap' | 'redirect'
}

const secret = 'a secret that is long enough'

class Graph {
  readonly #folder = mkdtempSync(join(tmpdir(), 'curfew-graph-'))
  readonly #port: number
  readonly #processes = new Map<Name, ChildProcess>()

  constructor(port: number) {
    this.#port = port
  }

  urlOf(name: Name): string {
    return `http://${name}.localhost:${this.#portOf(name)}`
  }

  async setUp({ protocols: [upper, lower], upwards }: Edges): Promise<void> {
    const [top, middle, leaf] = chain
    const [above, below] = [this.#edge(top, middle, upper, upwards), this.#edge(middle, leaf, lower, upwards)]
    await this.#install(top, { connections: [above.application], signOn: { users: 'users.yaml' } })
    await this.#install(middle, { connections: [below.application], identityProviders: [above.provider], signOn: {} })
    await this.#install(leaf, { connections: [], identityProviders: [below.provider], signOn: {} })
    // A provider is up before the one that reads its configuration.
    for (const name of chain) await this.start(name)
  }

  async start(name: Name): Promise<void> {
    const args = [bin, 'start', '--config', join(this.#folder, name, 'curfew.yaml')]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#processes.set(name, child)
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)))
    await until(async () => {
      assert.equal(child.exitCode, null, `${name} ended: ${said}`)
      return (await fetch(`${this.#adminUrl(name)}/metrics`)).ok
    }, `${name} starts`)
  }

  async kill(name: Name): Promise<void> {
    const child = this.#processes.get(name)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async tearDown(): Promise<void> {
    for (const name of chain) await this.kill(name)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async liveSessions(name: Name): Promise<readonly SessionView[]> {
    return ((await this.#ask(name, '/v1/sessions?limit=50')) as { items: SessionView[] }).items.filter(({ state }) => state === 'live')
  }

  /** The runs of this journey: those that began after it did. */
  async runsSince(name: Name, sinceMs: number): Promise<readonly RunView[]> {
    return ((await this.#ask(name, '/v1/runs?limit=50')) as { items: RunView[] }).items.filter(({ startedAtMs }) => startedAtMs >= sinceMs)
  }

  async endByAdministrator(name: Name): Promise<void> {
    await this.#ask(name, '/v1/logout', { all: true })
  }

  async #ask(name: Name, path: string, body?: object): Promise<unknown> {
    const token = readFileSync(join(this.#folder, name, 'data/admin.token'), 'utf8').trim()
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const answer = await fetch(this.#adminUrl(name) + path, body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) })
    assert.equal(answer.status, 200, `${name}${path}: ${await answer.clone().text()}`)
    return answer.json()
  }

  #portOf(name: Name): number {
    return this.#port + chain.indexOf(name) * 2
  }

  #adminUrl(name: Name): string {
    return `http://127.0.0.1:${this.#portOf(name) + 1}`
  }

  async #install(name: Name, config: object): Promise<void> {
    const more = {
      server: { baseUrl: this.urlOf(name), listen: [`127.0.0.1:${this.#portOf(name)}`] },
      admin: { listen: [`127.0.0.1:${this.#portOf(name) + 1}`] },
      outbound: { allowPrivate: ['127.0.0.0/8'] },
      logout: { retryBaseSeconds: 1, retryCapSeconds: 1, attempts: 20, sendTimeoutSeconds: 2, hopTimeoutSeconds: 3, patienceSeconds: 3 },
      ...config
    }
    await writeInstallation(join(this.#folder, name), { baseUrl: this.urlOf(name), organisation: name, user: 'ana', password: 'ana' }, { config: more })
  }

  /** What the upper one has as an application, and the lower one as an identity provider. */
  #edge(upper: Name, lower: Name, protocol: Protocol, upwards: Edges['upwards']): { readonly application: object; readonly provider: object } {
    const [up, down] = [this.urlOf(upper), this.urlOf(lower)]
    if (protocol === 'oidc') {
      const own = `${down}/sp/${upper}`
      const logout = { modes: ['backChannel'], backChannelUri: `${own}/backchannel-logout.openid` }
      const uris = { redirectUris: [`${own}/cb.openid`], postLogoutRedirectUris: [`${own}/logged-out.openid`] }
      return {
        application: { id: lower, protocol, clientSecret: secret, ...uris, logout },
        provider: { id: upper, protocol, issuer: up, clientId: lower, clientSecret: secret, username: 'preferred_username' }
      }
    }
    const service = (origin: string, role: 'idp' | 'sp', binding: string): object => ({
      binding,
      url: `${origin}/${role}/SLO.${binding === 'soap' ? 's' : ''}saml2`
    })
    const certificates = (name: Name): readonly string[] => [join(this.#folder, name, 'keys/saml.crt.pem')]
    return {
      application: {
        id: lower,
        protocol,
        entityId: down,
        acs: [{ url: `${down}/sp/ACS.saml2` }],
        slo: [service(down, 'sp', 'soap'), service(down, 'sp', 'redirect')],
        certificates: certificates(lower)
      },
      provider: {
        id: upper,
        protocol,
        entityId: up,
        sso: [{ binding: 'redirect', url: `${up}/idp/SSO.saml2` }],
        slo: [service(up, 'idp', upwards)],
        certificates: certificates(upper)
      }
    }
  }
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    try {
      if (await holds()) return
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
    }
    await sleep(100)
  }
  assert.fail(`not in 20 seconds: ${what}`)
}

function neighboursOf(name: Name): readonly Name[] {
  const at = chain.indexOf(name)
  return chain.filter((_, i) => Math.abs(i - at) === 1)
}

const graphs: readonly Edges[] = [
  { title: 'SAML by SOAP above, OpenID below', protocols: ['saml', 'oidc'], upwards: 'soap' },
  { title: 'OpenID above, SAML below, by SOAP downwards and by Redirect upwards', protocols: ['oidc', 'saml'], upwards: 'redirect' }
]

for (const edges of graphs) {
  suite(`Three processes in a row, a cycle between each two: ${edges.title}`, () => {
    let graph: Graph
    let browser: PlainBrowser
    let sinceMs = 0

    before(async () => {
      graph = new Graph(await freeRange(6))
      await graph.setUp(edges)
    })
    after(() => graph.tearDown())
    beforeEach(async () => {
      browser = new PlainBrowser()
      const form = await browser.open(`${graph.urlOf('leaf')}/sp/startSSO.ping`)
      assert.ok(form.url.startsWith(graph.urlOf('top')), form.url)
      const home = await browser.submit(form, { username: 'ana', password: 'ana' })
      assert.ok(home.url.startsWith(graph.urlOf('leaf')), `${home.url}: ${home.body.slice(0, 600)}`)
      for (const name of chain) assert.equal((await graph.liveSessions(name)).length, 1, `signed in at ${name}`)
      sinceMs = Date.now()
    })
    afterEach(() => browser.close())

    const oneRun = async (name: Name): Promise<RunView> => {
      const runs = await graph.runsSince(name, sinceMs)
      assert.equal(runs.length, 1, `${name} has one run: ${JSON.stringify(runs.map(({ reason, startedBy }) => [reason, startedBy]))}`)
      return runs[0] ?? assert.fail()
    }
    const allEnded = async (): Promise<boolean> => {
      for (const name of chain) if ((await oneRun(name)).state !== 'done' || (await graph.liveSessions(name)).length > 0) return false
      return true
    }

    for (const starter of chain) {
      test(`AC-216 a logout in the browser at the ${starter} ends all three: one run each, everybody told once, the upstream that started it not called back`, async () => {
        await browser.open(`${graph.urlOf(starter)}/${starter === 'top' ? 'idp' : 'sp'}/startSLO.ping`)
        const consent = await graph.runsSince(starter, sinceMs)
        if (consent.length === 0) await browser.submit(await browser.open(`${graph.urlOf(starter)}/signoff`), { choice: 'everywhere' })
        await until(allEnded, 'every run is done')
        for (const name of chain) {
          const run = await oneRun(name)
          assert.equal(run.verdict, 'all-ended', `${name}: ${JSON.stringify(run.deliveries)}`)
          const asked = run.deliveries.map(({ peer }) => peer)
          assert.equal(new Set(asked).size, asked.length, `${name} told nobody twice`)
          for (const { peer, attempts, outcome } of run.deliveries) assert.deepEqual([attempts.length, outcome], [1, 'ended'], `${name} told ${peer}`)
          const starting = /^participant:(.*)$/.exec(run.starter)?.[1]
          // Whoever asks by OpenID RP-initiated logout does it in the browser of the user, and is told as any other.
          assert.deepEqual(
            asked.toSorted(),
            neighboursOf(name)
              .filter((one) => one !== starting)
              .toSorted(),
            `${name}, started by ${run.starter}`
          )
        }
      })
    }

    test('SAML Core 3.7.3.2: the one in the middle asks the identity provider above before the application below', async () => {
      await browser.submit(await browser.open(`${graph.urlOf('middle')}/signoff`), { choice: 'everywhere' })
      await until(allEnded, 'every run is done')
      const { deliveries } = await oneRun('middle')
      assert.deepEqual(
        deliveries.map(({ peer }) => peer),
        ['top', 'leaf']
      )
      // What needs the browser can only follow what goes from server to server.
      if (edges.upwards !== 'soap') return
      const [above, below] = deliveries.map(({ attempts }) => attempts[0]?.startedAtMs ?? Number.NaN)
      assert.ok((above ?? 0) <= (below ?? 0), `${above} is not after ${below}`)
    })

    test('the leaf is down: the others end, nobody calls it signed out, and it is told once it is back', async () => {
      await graph.kill('leaf')
      await browser.open(`${graph.urlOf('top')}/idp/startSLO.ping`)
      if ((await graph.runsSince('top', sinceMs)).length === 0)
        await browser.submit(await browser.open(`${graph.urlOf('top')}/signoff`), { choice: 'everywhere' })
      await until(async () => (await graph.liveSessions('middle')).length === 0 && (await graph.liveSessions('top')).length === 0, 'top and middle ended')
      const middle = await oneRun('middle')
      const toLeaf = middle.deliveries.find(({ peer }) => peer === 'leaf')
      assert.ok(toLeaf !== undefined && toLeaf.outcome !== 'ended' && toLeaf.outcome !== 'already-ended', JSON.stringify(toLeaf))
      assert.notEqual(middle.verdict, 'all-ended')
      await graph.start('leaf')
      await until(async () => (await graph.liveSessions('leaf')).length === 0, 'it is told again')
      assert.equal((await graph.runsSince('leaf', sinceMs)).length, 1, 'its session ended by a logout, not by the kill')
    })

    test('the middle is down: the leaf ends here, says that it could not ask, and the top is not told', async () => {
      await graph.kill('middle')
      await browser.open(`${graph.urlOf('leaf')}/sp/startSLO.ping`)
      if ((await graph.runsSince('leaf', sinceMs)).length === 0)
        await browser.submit(await browser.open(`${graph.urlOf('leaf')}/signoff`), { choice: 'everywhere' })
      await until(async () => (await graph.liveSessions('leaf')).length === 0, 'the leaf ended')
      const run = await oneRun('leaf')
      assert.notEqual(run.verdict, 'all-ended')
      assert.ok(!['ended', 'already-ended'].includes(run.deliveries[0]?.outcome ?? ''), JSON.stringify(run.deliveries))
      assert.equal((await graph.liveSessions('top')).length, 1)
      assert.deepEqual(await graph.runsSince('top', sinceMs), [])
      await graph.start('middle')
      for (const name of ['top', 'middle'] as const) await graph.endByAdministrator(name)
    })
  })
}
