import { argon2Sync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { verificationKeyFromCertificate } from '@curfew/codecs'
import { makeKeyPair } from '../../packages/curfew/test/authority/key-pairs.ts'
import { createSeededRandom } from '../../packages/curfew/test/support/seeded-random.ts'
import { until } from '../../packages/curfew/test/stores/redis/servers.ts'
import { counted, type Verdict } from '../judge.ts'
import type { Net } from '../net.ts'
import { type StoreServer, startServer } from '../redis.ts'
import type { Setup } from '../setup.ts'
import { backChannelPath, soapPath, startApplications } from './applications.ts'
import type { Places } from './browser.ts'
import { type Counted, type Finding, judgeVisits, openIdPeer, samlPeer } from './crash-judge.ts'
import { createPeople, password, type People, peoplePerLane, userOf } from './people.ts'
import { type Authority, createAuthority } from './server.ts'
import type { Visit } from './visit.ts'

/** One server of Curfew that dies again and again, and people who sign in and out meanwhile. */
export interface CrashWorld {
  /** Load, death at a moment of the seed, a new start, and what is there afterwards. */
  round(): Promise<Verdict>
  /** Looks at everything once more that was ever answered; what is wrong now and was right before. */
  everything(): Promise<Finding>
  close(): Promise<void>
}

export interface CrashWorldOptions {
  readonly net: Net
  readonly setup: Setup
  readonly store: 'sqlite' | 'redis'
  readonly seed: number
}

const lanes = 4
const [serverPort, applicationsPort] = [8_090, 7_100]
const baseUrl = `http://127.0.0.1:${serverPort}`
const applicationsUrl = `http://127.0.0.1:${applicationsPort}`
const clientSecret = 'a secret that is long enough'

/** Sign-outs that are answered before a death may come, so that each round has work under way. */
const endsMin = 3
const deathMsMax = 250
/** How often the new process dies while it takes up what the old one left. */
const twiceShare = 0.25
/** How often the server of Redis dies with it. */
const storeToo = 0.25

export async function createCrashWorld({ net, setup, store: kind, seed }: CrashWorldOptions): Promise<CrashWorld> {
  const random = createSeededRandom(seed)
  const redis = kind === 'redis' ? await startServer(net.host('store0'), ['--appendfsync', 'always']) : undefined
  const places = writePartners(setup)
  const authority = createAuthority(setup.configFor('crash', configOf(redis)), baseUrl, `http://127.0.0.1:${serverPort + 1}`)
  const applications = await startApplications({ port: applicationsPort, ...places })
  const people = createPeople({ authority, applications, places, random, lanes })
  const parts = { authority, applications, places }
  const judged = new Set<Visit>()
  const counted: Counted = new Map()
  await authority.start()
  // What Node compiled is kept at an orderly end alone: without one, each of the starts to come compiles everything again.
  await authority.stop()
  await authority.start()

  return {
    async round() {
      const before = { ends: people.ends, letIn: people.letIn, refused: people.refused.length }
      people.start()
      await until(async () => people.ends >= before.ends + endsMin, 60_000)
      await pause(random.fraction() * deathMsMax)
      await die(authority, people, random.fraction() < storeToo ? redis : undefined)
      if (random.fraction() < twiceShare) {
        people.start()
        await pause(random.fraction() * deathMsMax)
        await die(authority, people, undefined)
      }
      await people.askAgain()
      const found = await judgeVisits(
        parts,
        people.visits.filter((visit) => !judged.has(visit)),
        counted
      )
      for (const visit of people.visits) if (visit.end !== 'not-asked') judged.add(visit)
      for (const fault of found.faults) console.log(`  ${fault}`)
      return verdictOf(found, people, before)
    },
    everything: () => judgeVisits(parts, people.visits),
    async close() {
      await people.stop()
      await authority.kill()
      await applications.close()
      await redis?.kill('SIGKILL')
    }
  }
}

/** The process, and with it perhaps its store, goes without a word; both start again with what is on the disk. */
async function die(authority: Authority, people: People, store: StoreServer | undefined): Promise<void> {
  const dead = authority.kill()
  const stopped = people.stop()
  await Promise.all([dead, stopped])
  await store?.restart('kept')
  await authority.start()
}

function verdictOf(found: Finding, people: People, before: { readonly letIn: number; readonly refused: number }): Verdict {
  return {
    acknowledged: found.facts,
    lost: found.lost,
    degraded: 0,
    degradedLost: 0,
    accepted: found.letIn + people.letIn - before.letIn,
    degradedAccepted: 0,
    openRuns: found.openRuns,
    waitMs: people.waitMs,
    refused: counted(people.refused.slice(before.refused)),
    told: found.told
  }
}

/** Keys of the application and people with a hash that costs nothing: what is measured here is not how passwords are kept. */
function writePartners({ folder }: Setup): Places {
  const pair = makeKeyPair(samlPeer)
  writeFileSync(join(folder, 'application.pem'), pair.certificatePem)
  const nonce = Buffer.alloc(16, 1)
  const tag = argon2Sync('argon2id', { message: password, nonce, memory: 8, passes: 1, parallelism: 1, tagLength: 32 })
  const hash = `$argon2id$v=19$m=8,t=1,p=1$${unpadded(nonce)}$${unpadded(tag)}`
  const names = Array.from({ length: lanes * peoplePerLane }, (_, i) => userOf(Math.floor(i / peoplePerLane), i))
  writeFileSync(join(folder, 'people.yaml'), JSON.stringify({ users: names.map((username) => ({ username, password: hash, attributes: {} })) }))
  return {
    authority: { entityId: baseUrl, keys: [verificationKeyFromCertificate(readFileSync(join(folder, 'keys/saml.crt.pem'), 'utf8'))] },
    entityId: `${applicationsUrl}/saml`,
    signing: { key: pair.key, algorithm: 'ecdsa-sha256' },
    acsUrl: `${applicationsUrl}/acs`,
    clientId: openIdPeer,
    clientSecret,
    redirectUri: `${applicationsUrl}/cb`
  }
}

function configOf(redis: StoreServer | undefined): object {
  return {
    server: { baseUrl, listen: [`127.0.0.1:${serverPort}`] },
    admin: { listen: [`127.0.0.1:${serverPort + 1}`] },
    signOn: { users: 'people.yaml' },
    outbound: { allowPrivate: ['127.0.0.0/8', '10.77.0.0/16'] },
    ...(redis === undefined ? {} : { cluster: { node: 'crash' } }),
    store: redis === undefined ? { kind: 'sqlite' } : { kind: 'redis', redis: { nodes: [redis.url], copies: 0, buckets: 16 } },
    connections: [
      {
        id: samlPeer,
        protocol: 'saml',
        entityId: `${applicationsUrl}/saml`,
        certificates: ['application.pem'],
        acs: [{ url: `${applicationsUrl}/acs`, index: 0, default: true }],
        slo: [{ binding: 'soap', url: applicationsUrl + soapPath }],
        nameId: { format: 'persistent' }
      },
      {
        id: openIdPeer,
        protocol: 'oidc',
        clientSecret,
        redirectUris: [`${applicationsUrl}/cb`],
        logout: { modes: ['backChannel'], backChannelUri: applicationsUrl + backChannelPath }
      }
    ]
  }
}

function unpadded(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64').replace(/=+$/, '')
}
