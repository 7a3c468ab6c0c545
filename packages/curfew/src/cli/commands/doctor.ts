import { existsSync, readFileSync } from 'node:fs'
import { isCurfewError, requireSigningKey } from '@curfew/codecs'
import { openConnections } from '../../authority/saml/connections.ts'
import type { SamlConnection } from '../../authority/saml/connection.ts'
import type { Config } from '../../config/schema.ts'
import { systemClock } from '../../platform/clock.ts'
import { readAuthorityKey } from '../../platform/keys.ts'
import { createOutbound, type Outbound } from '../../platform/outbound.ts'
import { type CommandContext, connect, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { seconds } from '../run-text.ts'
import { loadOrReport } from './validate.ts'

export interface Check {
  readonly what: string
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly why: string
  readonly fix?: string
}

/** A certificate that ends sooner is warned of. */
const expiryWarnDays = 30
/** Clocks further apart than this break partners that allow a minute. */
const skewWarnMs = 30_000

/** `curfew doctor`: looks at what usually goes wrong, one line each with what to do. */
export async function doctor(context: CommandContext, options: { readonly connection?: string }): Promise<ExitCode> {
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const { config } = loaded
  const outbound = createOutbound({ clock: systemClock, allowPrivate: config.outbound.allowPrivate, hosts: config.outbound.hosts, perPeerMax: 4 })
  try {
    const checks = [
      runtimeCheck(),
      ...keyChecks(config),
      ...fileChecks(config),
      await serverCheck(context),
      ...(await connectionChecks(config, outbound, options.connection))
    ]
    return report(context, checks)
  } finally {
    await outbound.close()
  }
}

function report(context: CommandContext, checks: readonly Check[]): ExitCode {
  const { terminal } = context
  const failed = checks.filter((check) => check.verdict === 'fail').length
  const warned = checks.filter((check) => check.verdict === 'warn').length
  if (!printJson(context, checks)) {
    const styles = { ok: 'green', warn: 'yellow', fail: 'red' } as const
    for (const check of checks) {
      terminal.out(`${terminal.style(styles[check.verdict], check.verdict.padEnd(4))}  ${check.what}: ${check.why}`)
      if (check.fix !== undefined && check.verdict !== 'ok') terminal.out(`      ${check.fix}`)
    }
    terminal.note(`${checks.length} looked at, ${warned} to watch, ${failed} to repair.`)
  }
  return failed > 0 ? exitCode.failed : warned > 0 ? exitCode.partial : exitCode.done
}

function runtimeCheck(): Check {
  const major = Number(process.versions.node.split('.')[0])
  return major >= 26
    ? { what: 'runtime', verdict: 'ok', why: `Node ${process.versions.node}` }
    : { what: 'runtime', verdict: 'fail', why: `Node ${process.versions.node} is too old`, fix: 'Install Node 26 or later.' }
}

function keyChecks(config: Config): readonly Check[] {
  return config.saml.keys.flatMap((key, i): Check[] => {
    const what = `signing key ${i + 1}${i === 0 ? ' (signs)' : ' (published)'}`
    try {
      const pair = readAuthorityKey(readFileSync(key.key, 'utf8'), readFileSync(key.certificate, 'utf8'), key.algorithm, key.key)
      requireSigningKey(pair.signing.key, key.algorithm.startsWith('rsa') ? 'rsa' : 'ec')
      return [expiry(what, pair.verification.notAfterMs)]
    } catch (error) {
      return [{ what, verdict: 'fail', why: error instanceof Error ? error.message : 'can not be read', fix: `Check ${key.key} and ${key.certificate}.` }]
    }
  })
}

function expiry(what: string, notAfterMs: number | undefined): Check {
  if (notAfterMs === undefined) return { what, verdict: 'ok', why: 'a key without a certificate date' }
  const days = Math.floor((notAfterMs - systemClock.nowMs()) / 86_400_000)
  const until = new Date(notAfterMs).toISOString().slice(0, 10)
  if (days < 0)
    return { what, verdict: 'warn', why: `its certificate ended ${until}`, fix: 'SAML does not judge dates, but some partners do: roll the key over.' }
  if (days < expiryWarnDays)
    return {
      what,
      verdict: 'warn',
      why: `its certificate ends ${until}, in ${days} days`,
      fix: 'Publish a new key beside it now, and put it first when partners have it.'
    }
  return { what, verdict: 'ok', why: `certificate valid to ${until}` }
}

function fileChecks(config: Config): readonly Check[] {
  const files: readonly (readonly [string, string])[] = [
    ...(config.signOn.users === undefined ? [] : [['users file', config.signOn.users] as const]),
    ['session secret', config.sessions.secretFile],
    ['admin token', config.admin.tokenFile ?? '']
  ]
  return files.map(
    ([what, path]): Check =>
      existsSync(path)
        ? { what, verdict: 'ok', why: path }
        : { what, verdict: 'fail', why: `${path} is not there`, fix: 'curfew init makes it in a new folder.' }
  )
}

async function serverCheck(context: CommandContext): Promise<Check> {
  const what = 'server'
  try {
    const { status, version, store } = await connect(context).health()
    return {
      what,
      verdict: status === 'ok' ? 'ok' : 'warn',
      why: `${status}, version ${version}, ${store.kind} with ${store.liveSessions} live sessions, ${store.openRuns} open runs, ${store.pendingEffects} effects waiting`
    }
  } catch (error) {
    return {
      what,
      verdict: 'warn',
      why: isCurfewError(error) ? error.message : 'does not answer',
      fix: 'Start it with curfew start; the other checks do not need it.'
    }
  }
}

async function connectionChecks(config: Config, outbound: Outbound, only: string | undefined): Promise<readonly Check[]> {
  const problems: Check[] = []
  const wanted = config.connections.filter((connection) => connection.protocol === 'saml' && (only === undefined || connection.id === only))
  if (wanted.length === 0)
    return [
      {
        what: 'connections',
        verdict: 'warn',
        why: only === undefined ? 'there are none yet' : `there is none called ${only}`,
        fix: 'Add one to curfew.yaml under connections.'
      }
    ]
  const [key] = config.saml.keys
  const own = key === undefined ? [] : [readAuthorityKey(readFileSync(key.key, 'utf8'), readFileSync(key.certificate, 'utf8'), key.algorithm, key.key)]
  await using connections = await openConnections(
    {
      clock: systemClock,
      ownKeys: own.map((pair) => ({ ...pair.signing, certificate: pair.certificateBase64 })),
      readFile: async (path) => readFileSync(path),
      fetchMetadata: async (url) =>
        (await outbound.request({ peerId: 'metadata', url, method: 'GET', timeoutMs: 10_000, responseBytesMax: 4 * 1024 * 1024 })).body,
      onProblem: (id, error) =>
        problems.push({
          what: `${id}: metadata`,
          verdict: 'fail',
          why: error instanceof Error ? error.message : 'can not be read',
          fix: 'Check the address, or give a file.'
        })
    },
    { applications: wanted, identityProviders: [] }
  )
  const checked = await Promise.all(connections.applications().map((connection) => checkConnection(connection, outbound)))
  return [...problems, ...checked.flat()]
}

async function checkConnection(connection: SamlConnection, outbound: Outbound): Promise<readonly Check[]> {
  const certificates = connection.verification.keys.map((key) => expiry(`${connection.id}: certificate ${key.fingerprint.slice(0, 8)}`, key.notAfterMs))
  const noKeys: readonly Check[] =
    certificates.length > 0
      ? []
      : [{ what: `${connection.id}: certificate`, verdict: 'fail', why: 'no key to check its messages with', fix: 'Give metadata or certificates.' }]
  if (connection.logoutServices.length === 0) {
    return [
      ...certificates,
      ...noKeys,
      {
        what: `${connection.id}: logout`,
        verdict: 'warn',
        why: 'it has no logout endpoint: its sessions are shown as not possible',
        fix: 'Add slo when the application has one.'
      }
    ]
  }
  const endpoints = await Promise.all(connection.logoutServices.map((service) => checkEndpoint(connection.id, service, outbound)))
  const skew = await checkClock(connection, outbound)
  return [...certificates, ...noKeys, ...endpoints, ...skew]
}

async function checkEndpoint(id: string, service: { readonly binding: string; readonly url: string }, outbound: Outbound): Promise<Check> {
  const what = `${id}: logout by ${service.binding}`
  const result = await outbound.probe({ peerId: id, url: service.url, timeoutMs: 5_000 })
  if (result.reachable) return { what, verdict: 'ok', why: `${service.url} answers in ${seconds(result.durationMs)}` }
  return { what, verdict: 'fail', why: `${service.url} does not answer: ${result.code}`, fix: `Look at docs/reference/errors/${result.code}.md` }
}

/** The Date header of the partner tells how far its clock is from this one. */
async function checkClock(connection: SamlConnection, outbound: Outbound): Promise<readonly Check[]> {
  const [service] = connection.logoutServices
  if (service === undefined) return []
  try {
    const answer = await outbound.request({ peerId: connection.id, url: service.url, method: 'GET', timeoutMs: 5_000, responseBytesMax: 512 * 1024 })
    const theirs = Date.parse(answer.headers['date'] ?? '')
    if (Number.isNaN(theirs)) return []
    const skewMs = Math.abs(theirs - systemClock.nowMs())
    const what = `${connection.id}: clock`
    if (skewMs > skewWarnMs)
      return [{ what, verdict: 'warn', why: `${seconds(skewMs)} away from this machine`, fix: 'Messages are refused beyond 60 s: set both clocks by NTP.' }]
    return [{ what, verdict: 'ok', why: `within ${Math.max(1, Math.round(skewMs / 1000))} s` }]
  } catch (error) {
    if (isCurfewError(error)) return []
    throw error
  }
}
