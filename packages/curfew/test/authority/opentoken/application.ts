import { openTokenKey, type VerifiedOpenToken, verifyOpenToken, writeOpenToken } from '@curfew/codecs'
import type { ApplicationSettings } from '../../../src/authority/opentoken/settings.ts'
import { type Browser, formOf } from '../browser.ts'
import { createKit, type Kit, type KitOptions, signIn } from '../kit.ts'

export const password = 'shared secret'
export const key = openTokenKey(2, password)

/** Settings of one application, by query unless said otherwise. */
export function settingsOf(id: string, more: Partial<ApplicationSettings> = {}): ApplicationSettings {
  return {
    id,
    password,
    transport: 'query',
    targetUrl: `http://${id}.test/open`,
    logoutService: `http://${id}.test/logout?cmd=slo`,
    attributes: { mail: 'mail', login: 'username' },
    ...more
  }
}

/** An authority with applications by OpenToken and no SAML partner unless asked for. */
export function createAdapterKit(applications: readonly ApplicationSettings[] = [settingsOf('forms')], more: KitOptions = {}): Promise<Kit> {
  return createKit({ partners: {}, adapters: { applications }, ...more })
}

/** Opens an application; signs in where that is asked for. Returns the address with the token. */
export async function open(browser: Browser, id: string, username = 'ana'): Promise<URL> {
  const start = `/sp/startSSO.ping?SpSessionAuthnAdapterId=${id}`
  const first = await browser.get(start)
  const isIn = !String(first.headers.location ?? '').startsWith('/')
  const answer = isIn ? first : await signIn(browser, start, username)
  return new URL(String(answer.headers.location))
}

export function readToken(kit: Kit, text: string | null): VerifiedOpenToken {
  return verifyOpenToken(text ?? '', { keys: [key], now: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()) })
}

/** What arrives at a Logout Service. */
export interface Visit {
  readonly url: URL
  readonly token: string
  readonly path: string
}

/** Starts a sign-out here and returns the path of its page. */
export async function startLogout(browser: Browser): Promise<string> {
  const { headers } = await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
  return String(headers.location)
}

/** The next hop of a run, as the browser carries it out. */
export async function visit(browser: Browser, runPath: string, tokenName = 'opentoken'): Promise<Visit | undefined> {
  const answer = await browser.get(`${runPath}/go`)
  const isForm = answer.statusCode === 200
  const form = isForm ? formOf(answer.body) : undefined
  const address = form?.action ?? String(answer.headers.location)
  if (address.startsWith('/')) return undefined
  const url = new URL(address)
  const cookie = answer.cookies.find(({ name }) => name === tokenName)?.value
  return { url, token: form?.fields[tokenName] ?? cookie ?? url.searchParams.get(tokenName) ?? '', path: url.searchParams.get('resumePath') ?? '' }
}

export async function runOf(kit: Kit, runPath: string) {
  const run = await kit.store.getRun(runPath.split('/')[2] as `run_${string}`)
  if (run === undefined) throw new Error(`no run at ${runPath}`)
  return run
}

/** Peer and outcome of each delivery. */
export async function outcomes(kit: Kit, runPath: string): Promise<readonly (readonly [string, string | undefined])[]> {
  return (await runOf(kit, runPath)).deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind] as const)
}

/** The answer of an application that knows the password. */
export function answerToken(kit: Kit, subject: string, path: string, result: string): string {
  const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
  const statement = { subject, attributes: { resume: [path], logout: [result] }, notBefore: now, notOnOrAfter: now.add({ seconds: 60 }) }
  return writeOpenToken(statement, key, Buffer.alloc(16, 9))
}
