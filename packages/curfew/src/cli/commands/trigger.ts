import { existsSync, readFileSync } from 'node:fs'
import { CurfewError } from '@curfew/codecs'
import { request } from 'undici'
import { nearest } from '../../config/nearest.ts'
import { type CommandContext, demoFolder } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
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
  const { config, server, tokenFile } = context.options
  if (config !== undefined || server !== undefined || tokenFile !== undefined) {
    context.terminal.error('This is for the demo of this folder alone: leave out --config, --server and --token-file. Nothing was done.')
    return exitCode.usage
  }
  const words = await setFault(options)
  context.terminal.note(`${options.partner} now ${words}.`)
  if (options.fault === 'no-return')
    context.terminal.note(
      `Then open ${options.partner} in the browser that is signed in: it carries the sign-out on and is left there; go back, and see what is said of it.`
    )
  const request: LogoutOptions = { user: options.user ?? 'ana', watch: true, yes: true }
  const code = await logout(ofDemo(context), request)
  if (code === exitCode.notFound) context.terminal.error('Sign in first: open the demo applications in a browser, then run this again.')
  return code
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
export async function setFault({ partner, fault }: Pick<TriggerOptions, 'partner' | 'fault'>): Promise<string> {
  const file = `${demoFolder}/control.url`
  if (!existsSync(file)) throw new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { why: 'the demo does not run in this folder; start it with: npm run demo' })
  const control = readFileSync(file, 'utf8').trim()
  let answer: Awaited<ReturnType<typeof request>>
  try {
    answer = await request(`${control}/${encodeURIComponent(partner)}/fault`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ fault })
    })
  } catch (cause) {
    throw new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { server: control }, { cause })
  }
  const body = (await answer.body.json()) as { words?: string; error?: string; faults?: readonly string[]; applications?: readonly string[] }
  if (answer.statusCode === 404 || answer.statusCode === 409)
    throw new CurfewError('CURFEW_CLI_PARTNER_UNKNOWN', { partner, why: body.error ?? '', ...suggestion(partner, body.applications) })
  if (answer.statusCode !== 200)
    throw new CurfewError('CURFEW_CLI_FAULT_UNKNOWN', { fault, choices: (body.faults ?? []).join(', '), ...suggestion(fault, body.faults) })
  return body.words ?? fault
}

/** What was probably meant, as a fact of the error. */
function suggestion(word: string, known: readonly string[] | undefined): { readonly didYouMean?: string } {
  const meant = nearest(word, known ?? [])
  return meant === undefined ? {} : { didYouMean: meant }
}
