import { existsSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { CurfewError } from '@curfew/codecs'
import { request } from 'undici'
import { nearest } from '../../config/nearest.ts'
import { systemClock } from '../../platform/clock.ts'
import { type CommandContext, demoFolder } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { PlainBrowser } from '../plain-browser.ts'
import { type LogoutOptions, logout } from './logout.ts'

export interface TriggerOptions {
  readonly partner: string
  readonly fault: string
  readonly user?: string
}

/**
 * `curfew trigger logout --partner legacy --fault no-response`: tells a demo partner how to misbehave, then signs the
 * demo user out and shows what happens. The fault stays until it is changed. Nobody is asked first, so it works on the
 * demo of this folder and on nothing else, whatever configuration lies here.
 */
export async function triggerLogout(context: CommandContext, options: TriggerOptions): Promise<ExitCode> {
  if (isPointedElsewhere(context)) return exitCode.usage
  const words = await setFault(options)
  context.terminal.note(`${options.partner} now ${words}.`)
  if (options.fault === 'no-return')
    context.terminal.note(
      `Then open ${options.partner} in the browser that is signed in: it carries the sign-out on and is left there; go back, and see what is said of it.`
    )
  const request: LogoutOptions = { user: options.user ?? 'ana', watch: true, yes: true }
  const code = await logout(ofDemo(context), request)
  if (code === exitCode.notFound)
    context.terminal.error('Sign in first: open the demo applications in a browser, or curfew trigger login; then run this again.')
  return code
}

/**
 * `curfew trigger login --partner legacy --fault bad-signature`: tells a demo partner how to misbehave at sign-ins, then
 * signs the demo user in there as a browser without scripts does, and compares what the page says with what the
 * application knows. The session stays, so that it can be signed out; the browser is gone.
 */
export async function triggerLogin(context: CommandContext, options: TriggerOptions): Promise<ExitCode> {
  const { terminal } = context
  if (isPointedElsewhere(context)) return exitCode.usage
  const user = options.user ?? 'ana'
  const words = await setFault(options, 'sign-in-fault')
  const url = await addressOf(options.partner)
  terminal.note(`${options.partner} now ${words}.`)
  terminal.out(`${user} opens ${options.partner}, ${url}`)
  const came = await signIn(url, user)
  const isKnown = (await journalOf(options.partner)).some(({ event, atMs }) => event === 'signed-in' && atMs >= came.sinceMs)
  for (const line of came.lines) terminal.out(`  ${line}`)
  terminal.out(
    `  ${isKnown ? terminal.style('green', 'ok') : terminal.style('red', '!!')}  ${options.partner} ${isKnown ? `signed ${user} in` : `did not sign ${user} in`}: its own journal says so`
  )
  if (!came.isSignedIn) return exitCode.failed
  terminal.note(`Next:  curfew logout --user ${user} --watch`)
  return isKnown ? exitCode.done : exitCode.partial
}

/** How long the browser waits for a page. */
const answerMsMax = 10_000

interface SignIn {
  readonly sinceMs: number
  readonly lines: readonly string[]
  /** The authority has a session. */
  readonly isSignedIn: boolean
}

async function signIn(url: string, user: string): Promise<SignIn> {
  const sinceMs = systemClock.nowMs()
  const lines: string[] = []
  let isSignedIn = false
  const browser = new PlainBrowser()
  try {
    const asked = await inTime(browser.open(`${url}/`))
    if (!asked.body.includes('name="password"')) return { sinceMs, lines: [`the page says: ${titleOf(asked.body)}`, ...referenceOf(asked.body)], isSignedIn }
    lines.push('Curfew asks for the password')
    isSignedIn = true
    // The password of a user of the demo is the name.
    const page = await inTime(browser.submit(asked, { username: user, password: user }))
    isSignedIn = !page.body.includes('name="password"')
    lines.push(`the page says: ${titleOf(page.body)}`, ...referenceOf(page.body))
  } catch (error) {
    lines.push(error instanceof RangeError ? error.message : 'the connection broke off: there is no page')
  } finally {
    void browser.close()
  }
  return { sinceMs, lines, isSignedIn }
}

/** @throws RangeError when the answer takes too long */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = new AbortController()
  const limit = setTimeout(answerMsMax, undefined, { signal: late.signal }).then(() => {
    throw new RangeError(`the browser still waits after ${answerMsMax / 1_000} seconds`)
  })
  limit.catch(() => undefined)
  try {
    return await Promise.race([answer, limit])
  } finally {
    late.abort()
  }
}

function titleOf(page: string): string {
  const text = /<title>([^<]*)</.exec(page)?.[1] ?? page
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 80)
}

/** The name under which the log knows why. */
function referenceOf(page: string): readonly string[] {
  const reference = /msg_\w+/.exec(page)?.[0]
  return reference === undefined ? [] : [`why: look for ${reference} in what curfew demo --verbose prints`]
}

/** Says so, when another server than the demo of this folder is meant. */
function isPointedElsewhere({ options, terminal }: CommandContext): boolean {
  const { config, server, tokenFile } = options
  if (config === undefined && server === undefined && tokenFile === undefined) return false
  terminal.error('This is for the demo of this folder alone: leave out --config, --server and --token-file. Nothing was done.')
  return true
}

/** The same command, at the server of the demo with the token of the demo. */
function ofDemo(context: CommandContext): CommandContext {
  return {
    ...context,
    options: { ...context.options, config: `${demoFolder}/curfew.yaml` },
    environment: { ...context.environment, CURFEW_ADMIN_TOKEN: undefined }
  }
}

/** Sets the fault at the control desk of the demo. @throws CURFEW_CLI_PARTNER_UNKNOWN, CURFEW_CLI_FAULT_UNKNOWN, CURFEW_CLI_SERVER_UNREACHABLE */
export async function setFault({ partner, fault }: Pick<TriggerOptions, 'partner' | 'fault'>, kind: 'fault' | 'sign-in-fault' = 'fault'): Promise<string> {
  const { status, body } = await askControl<{ words?: string; error?: string; faults?: readonly string[]; applications?: readonly string[] }>(
    `${encodeURIComponent(partner)}/${kind}`,
    { fault }
  )
  if (status === 404 || status === 409)
    throw new CurfewError('CURFEW_CLI_PARTNER_UNKNOWN', { partner, why: body.error ?? '', ...suggestion(partner, body.applications) })
  if (status !== 200) throw new CurfewError('CURFEW_CLI_FAULT_UNKNOWN', { fault, choices: (body.faults ?? []).join(', '), ...suggestion(fault, body.faults) })
  return body.words ?? fault
}

async function addressOf(partner: string): Promise<string> {
  const { body } = await askControl<{ applications: readonly { readonly id: string; readonly url: string; readonly keepsAccess: boolean }[] }>('')
  const known = body.applications.find(({ id }) => id === partner)
  if (known === undefined || known.keepsAccess) throw new CurfewError('CURFEW_CLI_PARTNER_UNKNOWN', { partner, why: 'nobody signs in there' })
  return known.url
}

async function journalOf(partner: string): Promise<readonly { readonly event: string; readonly atMs: number }[]> {
  const { body } = await askControl<{ entries: readonly { readonly event: string; readonly atMs: number }[] }>(`${encodeURIComponent(partner)}/journal`)
  return body.entries
}

/** Asks the control desk of the demo of this folder. @throws CURFEW_CLI_SERVER_UNREACHABLE */
async function askControl<T>(path: string, said?: object): Promise<{ readonly status: number; readonly body: T }> {
  const file = `${demoFolder}/control.url`
  if (!existsSync(file)) throw new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { why: 'the demo does not run in this folder; start it with: npm run demo' })
  const control = readFileSync(file, 'utf8').trim()
  try {
    const posted = said === undefined ? {} : { method: 'POST' as const, headers: { 'content-type': 'application/json' }, body: JSON.stringify(said) }
    const answer = await request(`${control}/${path}`, posted)
    return { status: answer.statusCode, body: (await answer.body.json()) as T }
  } catch (cause) {
    throw new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { server: control }, { cause })
  }
}

/** What was probably meant, as a fact of the error. */
function suggestion(word: string, known: readonly string[] | undefined): { readonly didYouMean?: string } {
  const meant = nearest(word, known ?? [])
  return meant === undefined ? {} : { didYouMean: meant }
}
