import { createPrivateKey } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  bindingUri,
  certificateBase64,
  decodePost,
  decodeRedirect,
  encodeRedirect,
  type Endpoint,
  type PeerKeys,
  type Response,
  parseMetadata,
  serialiseAuthnRequest,
  serialiseLogoutRequest,
  serialiseMetadata,
  type Verified,
  verificationKeyFromCertificate,
  verifyLogoutResponse,
  verifyResponse
} from '@curfew/codecs'
import { parse } from 'yaml'
import { type Authority, startAuthority } from '../interop/harness/authority.ts'
import { freePorts } from '../interop/harness/ports.ts'
import { createPrograms, get } from '../interop/harness/programs.ts'
import { simplesamlphpIdp } from '../interop/simplesamlphp-idp/simplesamlphp-idp.ts'
import { createSelfSigned } from '../packages/curfew/src/platform/certificate.ts'
import { createIds } from '../packages/curfew/src/platform/ids.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { createUserAgent, type UserAgent } from './oidc/user-agent.ts'
import { line } from './measure.ts'

const service = 'http://sp.localhost'
const acsUrl = `${service}/acs`
const sloUrl = `${service}/slo`
const bindings = { redirect: bindingUri('redirect'), post: bindingUri('post') }
const browsers = 8
/** One for each browser: sign-ins of one person that are under way at once count as guesses. */
const people = Array.from({ length: browsers }, (_, i) => `user${i}`)
const turnMs = 5_000
const turns = 3

const ids = createIds(systemRandom)

interface Signing {
  readonly key: ReturnType<typeof createPrivateKey>
  readonly algorithm: 'rsa-sha256'
}

/** One of the two that are measured: the same journeys at each, told apart by their addresses only. */
interface Provider {
  readonly name: string
  readonly entityId: string
  readonly ssoUrl: string
  readonly sloUrl: string
  readonly keys: PeerKeys
  /** Whoever runs with this folder belongs to it. */
  readonly folder: string
  readonly password: string
}

interface Count {
  journeys: number
  wallMs: number
  cpuMs: number
  readonly times: number[]
}

/**
 * Complete sign-ins and logouts at two identity providers, each a server of its own on this machine with its sessions in
 * SQLite: AuthnRequest by Redirect, form, the same argon2id hash, Response by POST, verified; LogoutRequest by Redirect,
 * LogoutResponse, verified. They take turns, with 8 browsers each.
 */
export async function benchSimplesamlphp(): Promise<readonly string[]> {
  const why = simplesamlphpIdp.missing()
  if (why !== undefined) return [`SimpleSAMLphp is not compared: ${why}`]
  const programs = createPrograms()
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  chmodSync(folder, 0o755)
  try {
    const pair = await createSelfSigned('sp.localhost', { fromMs: Date.now(), days: 30 }, systemRandom)
    const signing: Signing = { key: createPrivateKey(pair.keyPem), algorithm: 'rsa-sha256' }
    const metadata = metadataOf(pair.certificatePem)
    const [port = 0, adminPort = 0, peerPort = 0] = await freePorts(3)
    const authority = await startAuthority({ folder: join(folder, 'curfew'), port, adminPort, programs, users: people, hosts: [] })
    writeFileSync(join(authority.folder, 'peers/bench.xml'), metadata)
    await authority.restartWith([{ id: 'bench', name: 'Bench', protocol: 'saml', metadata: { file: 'peers/bench.xml' }, nameId: { format: 'persistent' } }])
    const rivalFolder = join(folder, 'simplesamlphp')
    mkdirSync(rivalFolder)
    const rival = await simplesamlphpIdp.launch({
      folder: rivalFolder,
      port: peerPort,
      programs,
      authorityMetadata: metadata,
      authorityUrl: service,
      users: people
    })
    sameHash(rivalFolder, authority)
    const providers = [
      await providerOf('Curfew', authority.password, authority.baseUrl, await authority.metadata(), authority.folder),
      await providerOf(`SimpleSAMLphp ${rival.version}`, authority.password, `${rival.origin}/idp`, await metadataAt(rival), rivalFolder)
    ]
    const lines = ['Two identity providers as servers on this machine, sessions in SQLite, 8 browsers in turns']
    for (const [what, walk] of Object.entries(walks)) lines.push(...text(what, providers, await compare(providers, signing, walk)))
    return lines
  } finally {
    await programs.stopAll()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function compare(providers: readonly Provider[], signing: Signing, walk: Walk): Promise<readonly Count[]> {
  const counts = providers.map((): Count => ({ journeys: 0, wallMs: 0, cpuMs: 0, times: [] }))
  for (let turn = 0; turn <= turns; turn++) {
    for (const [i, provider] of providers.entries()) {
      const count = await takeTurn(provider, signing, walk)
      // The first turn warms up.
      if (turn > 0) add(counts[i], count)
    }
  }
  return counts
}

function text(what: string, providers: readonly Provider[], [ours, theirs]: readonly Count[]): readonly string[] {
  if (ours === undefined || theirs === undefined) throw new Error('two were measured')
  const perSecond = ({ journeys, wallMs }: Count): number => journeys / (wallMs / 1_000)
  const perCpuSecond = ({ journeys, cpuMs }: Count): number => journeys / (cpuMs / 1_000)
  const row = (name: string, count: Count): string =>
    `    ${name.padEnd(26)} ${perSecond(count).toFixed(1).padStart(7)} per second  ${perCpuSecond(count).toFixed(1).padStart(7)} per CPU-second of the server   p50 ${quantile(count.times, 0.5)} ms   p99 ${quantile(count.times, 0.99)} ms`
  return [
    `  ${what}`,
    row(providers[0]?.name ?? '', ours),
    row(providers[1]?.name ?? '', theirs),
    line(`  the same work per CPU-second`, perCpuSecond(ours) / perCpuSecond(theirs), 'SimpleSAMLphp')
  ]
}

function quantile(times: readonly number[], part: number): string {
  const sorted = times.toSorted((a, b) => a - b)
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(0)
}

function add(total: Count | undefined, count: Count): void {
  if (total === undefined) return
  total.journeys += count.journeys
  total.wallMs += count.wallMs
  total.cpuMs += count.cpuMs
  total.times.push(...count.times)
}

async function takeTurn(provider: Provider, signing: Signing, walk: Walk): Promise<Count> {
  const agents = people.map(() => createUserAgent())
  await Promise.all(people.map(async (username, i) => walk.before?.({ provider, signing, username, agent: agents[i] ?? createUserAgent() })))
  const cpuBefore = cpuMsOf(provider.folder)
  const startedMs = performance.now()
  const times: number[] = []
  await Promise.all(
    people.map(async (username, i) => {
      while (performance.now() - startedMs < turnMs) {
        const beganMs = performance.now()
        await walk.once({ provider, signing, username, agent: agents[i] ?? createUserAgent() })
        times.push(performance.now() - beganMs)
      }
    })
  )
  const count = { journeys: times.length, wallMs: performance.now() - startedMs, cpuMs: cpuMsOf(provider.folder) - cpuBefore, times }
  for (const agent of agents) agent.close()
  return count
}

interface Person {
  readonly provider: Provider
  readonly signing: Signing
  readonly username: string
  readonly agent: UserAgent
}

interface Walk {
  readonly before?: (person: Person) => Promise<unknown>
  readonly once: (person: Person) => Promise<unknown>
}

const walks: Readonly<Record<string, Walk>> = {
  'sign-in with a password, assertion, logout': {
    once: async (person) => {
      person.agent.cookies.clear()
      await signOut(person, await signIn(person))
    }
  },
  'an assertion in a session that is there': { before: signIn, once: signIn }
}

async function signOut({ provider, signing, agent }: Person, response: Verified<Response>): Promise<void> {
  const { assertion } = response
  if (assertion?.subject.nameId === undefined) throw new Error(`${provider.name} named nobody`)
  const parts = serialiseLogoutRequest({
    ...head(),
    kind: 'LogoutRequest',
    destination: provider.sloUrl,
    subject: assertion.subject.nameId,
    sessionIndexes: [assertion.authnStatement?.sessionIndex ?? ''],
    asynchronous: false
  })
  const url = await encodeRedirect(provider.sloUrl, { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, signing)
  const { location } = await agent.follow(url, sloUrl)
  const answer = verifyLogoutResponse(decodeRedirect(location.slice(location.indexOf('?') + 1)), provider.keys)
  if (!answer.status.code.endsWith(':Success')) throw new Error(`${provider.name} answered ${answer.status.code}`)
}

/** As far as the Response, which is verified; with the form where the provider asks. */
async function signIn({ provider, signing, username, agent }: Person): Promise<Verified<Response>> {
  const parts = serialiseAuthnRequest({
    ...head(),
    kind: 'AuthnRequest',
    destination: provider.ssoUrl,
    assertionConsumerServiceURL: acsUrl,
    forceAuthn: false,
    isPassive: false
  })
  let page = await agent.follow(await encodeRedirect(provider.ssoUrl, { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, signing), service)
  if (page.body.includes('name="password"')) {
    const action = new URL(unescape(/<form[^>]*action="([^"]*)"/.exec(page.body)?.[1] ?? ''), page.url)
    const fields = { ...hiddenFields(page.body), username, password: provider.password }
    const sent = await agent.post(action.href, fields, { origin: action.origin })
    page = sent.location === '' ? { ...sent, url: page.url } : await agent.follow(new URL(sent.location, action).href, service)
  }
  const response = hiddenFields(page.body)['SAMLResponse']
  if (response === undefined) throw new Error(`${provider.name} answered ${page.status} without a Response`)
  return verifyResponse(decodePost([['SAMLResponse', response]]), provider.keys)
}

function hiddenFields(page: string): Record<string, string> {
  const inputs = [...page.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => input)
  const of = (input: string, name: string): string => unescape(new RegExp(`${name}="([^"]*)"`).exec(input)?.[1] ?? '')
  return Object.fromEntries(inputs.map((input) => [of(input, 'name'), of(input, 'value')]))
}

function unescape(value: string): string {
  return value.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&')
}

function head(): { readonly id: string; readonly issuer: string; readonly issueInstant: Temporal.Instant } {
  return { id: ids.message(), issuer: service, issueInstant: Temporal.Now.instant() }
}

async function metadataAt({ identityProvider }: { readonly identityProvider: object }): Promise<string> {
  const { metadata } = identityProvider as { readonly metadata: { readonly url: string } }
  return (await get(metadata.url)).body
}

async function providerOf(name: string, password: string, entityId: string, metadata: string, folder: string): Promise<Provider> {
  const idp = parseMetadata(Buffer.from(metadata)).find((entity) => entity.entityId === entityId)?.idp
  const byRedirect = (endpoints: readonly Endpoint[] = []): string => endpoints.find(({ binding }) => binding === bindings.redirect)?.location ?? ''
  const certificates = idp?.keys.filter(({ use }) => use !== 'encryption').flatMap((key) => key.certificates) ?? []
  return {
    name,
    entityId,
    ssoUrl: byRedirect(idp?.singleSignOnServices),
    sloUrl: byRedirect(idp?.singleLogoutServices),
    keys: { entityId, keys: certificates.map(verificationKeyFromCertificate) },
    folder,
    password
  }
}

/** The people of the other one, with the hash that Curfew made: checking it costs both the same. */
function sameHash(rivalFolder: string, authority: Authority): void {
  const { users } = parse(readFileSync(join(authority.folder, 'users.yaml'), 'utf8')) as { users: { username: string; password: string }[] }
  const people = users.map(({ username, password }) => `'${username}:${password}' => ['uid' => ['${username}'], 'mail' => ['${username}@example.com']]`)
  writeFileSync(join(rivalFolder, 'config/authsources.php'), `<?php\n$config = ['people' => ['authcrypt:Hash', ${people.join(', ')}]];\n`)
  const config = join(rivalFolder, 'config/config.php')
  writeFileSync(config, readFileSync(config, 'utf8').replace("'exampleauth' => true", "'authcrypt' => true"))
}

function metadataOf(certificatePem: string): string {
  const parts = serialiseMetadata({
    entityId: service,
    id: '_bench',
    sp: {
      keys: [{ use: 'signing', certificates: [certificateBase64(certificatePem)] }],
      nameIdFormats: [],
      singleLogoutServices: [{ binding: bindings.redirect, location: sloUrl }],
      assertionConsumerServices: [{ binding: bindings.post, location: acsUrl, index: 0, isDefault: true }],
      authnRequestsSigned: true,
      wantAssertionsSigned: true
    }
  })
  return parts.head + parts.tail
}

/** CPU of every process that was started with this folder, and of their children that have ended. */
function cpuMsOf(folder: string): number {
  let ticks = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const started = readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8')
      if (!started.includes(folder)) continue
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      // utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
      for (const field of fields.slice(11, 15)) ticks += Number(field)
    } catch {
      // It has ended meanwhile.
    }
  }
  return ticks * 10
}
