import { existsSync, readFileSync } from 'node:fs'
import { isCurfewError, requireSigningKey, type VerificationKey, verificationKeyFromCertificate } from '@curfew/codecs'
import type { HealthView, PeerView, StreamView } from '../../admin/schemas.ts'
import type { OwnKey } from '../../authority/saml/settings.ts'
import { nearest } from '../../config/nearest.ts'
import type { Config } from '../../config/schema.ts'
import { systemClock } from '../../platform/clock.ts'
import { readAuthorityKey } from '../../platform/keys.ts'
import { createOutbound } from '../../platform/outbound.ts'
import { ApiProblem } from '../api-problem.ts'
import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { cookieCheck } from '../doctor-browser.ts'
import { hasSuccessor, judgeExpiry } from '../doctor-certificate.ts'
import { type Check, failedBy } from '../doctor-check.ts'
import { adapterChecks } from '../doctor-adapter.ts'
import { clientChecks } from '../doctor-client.ts'
import { decryptionChecks } from '../doctor-decryption.ts'
import { directoryChecks } from '../doctor-directory.ts'
import { type ConfiguredKey, publicationChecks } from '../doctor-publication.ts'
import { type PartnerConfig, type PartnerDeps, partnerChecks, signerCheck } from '../doctor-partner.ts'
import { storeChecks } from '../doctor-store.ts'
import { tlsChecks } from '../doctor-tls.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { publicHalf } from '../inspect-surroundings.ts'
import { signingPlaces } from '../signing-places.ts'
import { streamCheck } from '../doctor-stream.ts'
import { upstreamChecks } from '../doctor-upstream.ts'
import { loadOrReport } from './validate.ts'

export interface DoctorOptions {
  /** Id of one connection or identity provider; the others are left out. */
  readonly connection?: string
}

/** `curfew doctor`: looks at what usually goes wrong, one line each with what to do. Changes nothing. */
export async function doctor(context: CommandContext, options: DoctorOptions): Promise<ExitCode> {
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const { config } = loaded
  const ids = [...config.connections, ...config.identityProviders].map(({ id }) => id)
  if (options.connection !== undefined && !ids.includes(options.connection)) return unknownConnection(context, options.connection, ids)
  const outbound = createOutbound({ clock: systemClock, allowPrivate: config.outbound.allowPrivate, hosts: config.outbound.hosts, perPeerMax: 4 })
  try {
    const server = await askServer(context)
    const baseUrl = new URL(config.server.baseUrl).origin
    const deps = { outbound, clock: systemClock, baseUrl, ownKeys: ownKeysOf(config), ...(server.peers === undefined ? {} : { running: server.peers }) }
    return report(context, [
      runtimeCheck(),
      ...keyChecks(config),
      ...publicationChecks(configuredKeys(config), server.signingKeys),
      ...decryptionChecks(config, systemClock.nowMs()),
      ...tlsChecks(config.server, systemClock.nowMs()),
      ...fileChecks(config),
      cookieCheck(baseUrl),
      server.check,
      ...storeChecks(config, server.store),
      ...(server.streams ?? []).filter(({ connection }) => options.connection === undefined || connection === options.connection).map(streamCheck),
      ...(options.connection === undefined ? (await Promise.all(config.signOn.directories.map(directoryChecks))).flat() : []),
      ...(await connectionChecks(config, deps, options.connection))
    ])
  } finally {
    await outbound.close()
  }
}

function unknownConnection({ terminal }: CommandContext, id: string, ids: readonly string[]): ExitCode {
  const meant = nearest(id, ids)
  const hint = meant === undefined ? `There are: ${ids.join(', ') || 'none yet'}.` : `Did you mean ${meant}?`
  terminal.error(`There is no connection ${id}. ${hint}`)
  return exitCode.notFound
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

/** Keys that sign, and those that are published so that partners know the next one. */
function keyChecks(config: Config): readonly Check[] {
  const nowMs = systemClock.nowMs()
  const keys = config.saml.keys.map(readOwnCertificate)
  const places = signingPlaces(config)
  return config.saml.keys.map((key, i): Check => {
    const what = `signing key ${i + 1}${places.has(i) ? ' (signs)' : ' (published)'}`
    try {
      const { signing, verification } = readAuthorityKey(readFileSync(key.key, 'utf8'), readFileSync(key.certificate, 'utf8'), key.algorithm, key.key)
      requireSigningKey(signing.key, key.algorithm.startsWith('rsa') ? 'rsa' : 'ec')
      const date = verification.notAfterMs === undefined ? {} : { notAfterMs: verification.notAfterMs }
      const others = keys.filter((other) => other !== undefined)
      const isFollowed = !places.has(i) && hasSuccessor(keys[i] ?? {}, others, nowMs)
      return judgeExpiry({ what, ...date, hasSuccessor: isFollowed, fix: nextKeyFix(i) }, nowMs)
    } catch (error) {
      return failedBy(what, error, `Check ${key.key} and ${key.certificate}.`)
    }
  })
}

function nextKeyFix(place: number): string {
  if (place === 0) return 'Publish a new key beside it now, and put it first when partners have it.'
  return 'Publish a new key of its type beside it now, and put it before this one when partners have it.'
}

function configuredKeys(config: Config): readonly (ConfiguredKey | undefined)[] {
  const signing = signingPlaces(config)
  return config.saml.keys.map((key, i) => {
    const fingerprint = readOwnCertificate(key)?.fingerprint
    return fingerprint === undefined ? undefined : { fingerprint, signs: signing.has(i) }
  })
}

function readOwnCertificate({ certificate }: Config['saml']['keys'][number]): VerificationKey | undefined {
  try {
    return verificationKeyFromCertificate(readFileSync(certificate, 'utf8'))
  } catch {
    return undefined
  }
}

/** Partners are read with the public half: nothing is signed here. */
function ownKeysOf(config: Config): readonly OwnKey[] {
  return config.saml.keys.flatMap(({ certificate, algorithm }) => {
    try {
      return [publicHalf(readFileSync(certificate, 'utf8'), algorithm)]
    } catch {
      return []
    }
  })
}

function fileChecks(config: Config): readonly Check[] {
  const files: readonly (readonly [string, string])[] = [
    ...(config.signOn.users === undefined ? [] : [['users file', config.signOn.users] as const]),
    ['session secret', config.sessions.secretFile],
    ...(config.admin.token === undefined ? [['admin token', config.admin.tokenFile ?? ''] as const] : [])
  ]
  return files.map(
    ([what, path]): Check =>
      existsSync(path)
        ? { what, verdict: 'ok', why: path }
        : { what, verdict: 'fail', why: `${path} is not there`, fix: 'curfew init makes it in a new folder.' }
  )
}

interface AskedServer {
  readonly check: Check
  /** Absent when no server answers. */
  readonly store?: HealthView['store']
  readonly signingKeys?: HealthView['signingKeys']
  readonly peers?: readonly PeerView[]
  readonly streams?: readonly StreamView[]
}

async function askServer(context: CommandContext): Promise<AskedServer> {
  const what = 'server'
  try {
    const client = connect(context)
    const { status, version, store, signingKeys } = await client.health()
    const why = `${status}, version ${version}, ${store.kind} with ${store.liveSessions} live sessions, ${store.openRuns} open runs, ${store.pendingEffects} effects waiting`
    const check: Check =
      status === 'ok' ? { what, verdict: 'ok', why } : { what, verdict: 'warn', why, fix: 'Look again when it has started, or start it again.' }
    return { check, store, signingKeys, peers: await client.peers(), streams: await client.streams() }
  } catch (error) {
    if (error instanceof ApiProblem)
      return {
        check: {
          what,
          verdict: 'warn',
          why: `it answers, but not to this token: ${error.problem.code}`,
          fix: 'Give the token of this server with --token-file.'
        }
      }
    const why = isCurfewError(error) ? error.message : 'does not answer'
    return { check: { what, verdict: 'warn', why, fix: 'Start it with curfew start; the other checks do not need it.' } }
  }
}

async function connectionChecks(config: Config, deps: PartnerDeps, chosen: string | undefined): Promise<readonly Check[]> {
  const isWanted = ({ id }: { readonly id: string }): boolean => chosen === undefined || id === chosen
  const connections = config.connections.filter(isWanted)
  const providers = config.identityProviders.filter(isWanted)
  const partners: readonly PartnerConfig[] = [
    ...connections.flatMap((one) => (one.protocol === 'saml' ? [{ role: 'sp' as const, settings: one }] : [])),
    ...providers.flatMap((settings) => (settings.protocol === 'saml' ? [{ role: 'idp' as const, settings }] : []))
  ]
  const clients = connections.filter((one) => one.protocol === 'oidc')
  const adapters = [...connections, ...providers].filter((one) => one.protocol === 'opentoken')
  const upstreams = providers.filter((one) => one.protocol === 'oidc')
  if (partners.length + clients.length + adapters.length + upstreams.length === 0)
    return [{ what: 'connections', verdict: 'warn', why: 'there are none yet', fix: 'Add one to curfew.yaml under connections.' }]
  const checks = await Promise.all([
    ...partners.map(async (one) => [...(await partnerChecks(deps, one)), ...signerCheck(one, deps.clock.nowMs())]),
    ...clients.map((one) => clientChecks(deps, one)),
    ...adapters.map((one) => adapterChecks(deps, one)),
    ...upstreams.map((one) => upstreamChecks(deps, one))
  ])
  return checks.flat()
}
