import { readFileSync, statSync } from 'node:fs'
import { verificationKeyFromCertificate, verifyMetadata } from '@curfew/codecs'
import type { PeerView } from '../admin/schemas.ts'
import type { SamlPartner } from '../authority/saml/connection.ts'
import { openConnections } from '../authority/saml/connections.ts'
import type { OwnKey } from '../authority/saml/settings.ts'
import type { SamlConnectionConfig, SamlIdentityProviderConfig } from '../config/schema.ts'
import { browserCheck } from './doctor-browser.ts'
import { hasSuccessor, judgeExpiry } from './doctor-certificate.ts'
import { type Check, failedBy } from './doctor-check.ts'
import { readingChecks } from './doctor-drift.ts'
import { type EndpointDeps, judgeClock, judgeReached, reach } from './doctor-endpoint.ts'
import {
  driftCheck,
  driftOf,
  factsOfMetadata,
  factsOfPartner,
  factsOfServer,
  fetchMetadata,
  type MetadataCopy,
  metadataChecks,
  overridden
} from './doctor-metadata.ts'

/** One SAML partner of the configuration, in the role that it has. */
export type PartnerConfig =
  | { readonly role: 'sp'; readonly settings: SamlConnectionConfig }
  | { readonly role: 'idp'; readonly settings: SamlIdentityProviderConfig }

export interface PartnerDeps extends EndpointDeps {
  readonly ownKeys: readonly OwnKey[]
  /** Partners as a running server works with them; absent when none answers. */
  readonly running?: readonly PeerView[]
}

/** Everything about one partner: its metadata, keys, endpoints, clock, and what browsers make of it. */
export async function partnerChecks(deps: PartnerDeps, config: PartnerConfig): Promise<readonly Check[]> {
  const { id } = config.settings
  const { partner, copy, problem } = await readPartner(deps, config)
  const metadata = copy === undefined ? [] : metadataChecks(id, copy, demandOf(config), deps.clock.nowMs())
  const isKnown = metadata.some(({ verdict }) => verdict === 'fail')
  const unread = problem === undefined || isKnown ? [] : [failedBy(`${id}: metadata`, problem, 'Check the address, or give a file.')]
  if (partner === undefined) return [...metadata, ...unread]
  return [
    ...metadata,
    ...unread,
    ...(await driftChecks(deps, config, partner, copy)),
    ...keyChecks(partner, deps.clock.nowMs()),
    ...(await endpointChecks(deps, partner, config.settings.frames ?? false)),
    ...(await artifactChecks(deps, partner))
  ]
}

interface ReadPartner {
  readonly partner?: SamlPartner
  readonly copy?: MetadataCopy
  readonly problem?: unknown
}

/** Reads the partner as the server does, and keeps the metadata that it was made from. */
async function readPartner(deps: PartnerDeps, config: PartnerConfig): Promise<ReadPartner> {
  const { metadata } = config.settings
  let copy: MetadataCopy | undefined
  let problem: unknown
  const readFile = async (path: string): Promise<Uint8Array> => {
    const bytes = readFileSync(path)
    if (path === metadata?.file) copy = { bytes, from: 'file', location: path, copiedAtMs: statSync(path).mtimeMs }
    return bytes
  }
  const fetched = async (url: string): Promise<Uint8Array> => {
    const bytes = await fetchFrom(deps, url)
    copy = { bytes, from: 'url', location: url, copiedAtMs: deps.clock.nowMs() }
    return bytes
  }
  const onProblem = (_id: string, error: unknown): void => void (problem = error)
  try {
    await using live = await openConnections({ ...deps, readFile, fetchMetadata: fetched, onProblem }, asSettings(config))
    const [partner] = live.all()
    return { ...(partner === undefined ? {} : { partner }), ...(copy === undefined ? {} : { copy }), problem }
  } catch (error) {
    return { ...(copy === undefined ? {} : { copy }), problem: error }
  }
}

function asSettings(config: PartnerConfig): Parameters<typeof openConnections>[1] {
  return config.role === 'sp' ? { applications: [config.settings], identityProviders: [] } : { applications: [], identityProviders: [config.settings] }
}

function fetchFrom({ outbound }: PartnerDeps, url: string): Promise<Uint8Array> {
  return fetchMetadata(
    (address) => outbound.request({ peerId: 'metadata', url: address, method: 'GET', timeoutMs: 10_000, responseBytesMax: 4 * 1024 * 1024 }),
    url
  )
}

function demandOf({ role, settings }: PartnerConfig): Parameters<typeof metadataChecks>[2] {
  const signer = settings.metadata?.certificate
  return { role, entityId: settings.entityId, readSigner: signer === undefined ? undefined : () => readFileSync(signer, 'utf8') }
}

/** Compares what is configured, what was copied, what a server works with, and what the partner publishes now. */
async function driftChecks(deps: PartnerDeps, config: PartnerConfig, partner: SamlPartner, copy: MetadataCopy | undefined): Promise<readonly Check[]> {
  const { id } = partner
  const what = `${id}: drift`
  const used = factsOfPartner(partner)
  const checks: Check[] = []
  const copied = copy === undefined ? undefined : factsOfMetadata(copy.bytes, partner.entityId, config.role)
  if (copied !== undefined && (config.settings.slo !== undefined || config.settings.certificates !== undefined)) {
    const sides = overridden(config.settings, used, copied)
    const fix = 'Take slo or certificates out of the connection, unless they are meant to differ.'
    checks.push(driftCheck(what, driftOf(sides.published, sides.used), 'the configuration agrees with the metadata', 'the metadata now says', fix))
  }
  const published = copy?.from === 'file' ? await publishedNow(deps, config, partner.entityId) : undefined
  if (copied !== undefined && published !== undefined) {
    const fix = 'Copy the metadata anew, or give metadata.url.'
    checks.push(driftCheck(what, driftOf(published, copied), 'the copy agrees with what the partner publishes', 'the partner now publishes', fix))
  }
  const running = deps.running?.find((peer) => peer.id === id)
  if (running !== undefined) {
    const minutes = config.settings.metadata?.refreshMinutes ?? 60
    const fix = copy?.from === 'url' ? `The server reads it again every ${minutes} minutes; at once by a restart.` : 'Restart the server.'
    checks.push(driftCheck(what, driftOf(used, factsOfServer(running)), 'the server works with the same', 'the server does not know yet:', fix))
    checks.push(...readingChecks(id, running.metadata, deps.clock.nowMs()))
  }
  return checks
}

/**
 * What the partner publishes at its entity ID, where that is an address and metadata is there. Nothing is said when not.
 * @see saml-metadata-2.0-os section 4.1
 */
async function publishedNow(deps: PartnerDeps, config: PartnerConfig, entityId: string): Promise<ReturnType<typeof factsOfMetadata>> {
  if (!/^https?:/.test(entityId)) return undefined
  try {
    const bytes = await fetchFrom(deps, entityId)
    const signer = config.settings.metadata?.certificate
    if (signer !== undefined) verifyMetadata(bytes, [verificationKeyFromCertificate(readFileSync(signer, 'utf8'))])
    return factsOfMetadata(bytes, entityId, config.role)
  } catch {
    return undefined
  }
}

function keyChecks({ id, verification }: SamlPartner, nowMs: number): readonly Check[] {
  const { keys } = verification
  if (keys.length === 0)
    return [{ what: `${id}: certificate`, verdict: 'fail', why: 'no key to check its messages with', fix: 'Give metadata or certificates.' }]
  return keys.map((key) => {
    const what = `${id}: certificate ${key.fingerprint.slice(0, 8)}`
    const date = key.notAfterMs === undefined ? {} : { notAfterMs: key.notAfterMs }
    return judgeExpiry({ what, ...date, hasSuccessor: hasSuccessor(key, keys, nowMs), fix: 'Ask the partner for its next certificate.' }, nowMs)
  })
}

/**
 * A partner that may start a logout through the browser and publishes an address by SOAP only: the logout is carried
 * out, but its LogoutResponse has nowhere to go, and the browser ends at the authority's own page. Undefined: not so.
 * @see saml-bindings-2.0-os section 3.2.2: SOAP answers in the same exchange only
 */
export function answerCheck({ id, role, profiles, logoutServices, answerServices, incomingBindings }: AnsweredPartner): Check | undefined {
  const isSoapOnly = logoutServices.length > 0 && answerServices.length === 0
  const mayStart = role === 'sp' ? profiles.spInitiatedSlo : profiles.idpInitiatedSlo
  const ways = [...incomingBindings].filter((binding) => binding !== 'soap')
  if (!isSoapOnly || !mayStart || ways.length === 0) return undefined
  return {
    what: `${id}: logout answers`,
    verdict: 'warn',
    why: 'its only logout endpoint is by SOAP: a logout that it starts through the browser ends everything, but no LogoutResponse goes back and the browser stays here',
    fix: 'Add an address by redirect or post to slo, after soap; or say incomingBindings: [soap] if it never starts one through the browser.'
  }
}

type AnsweredPartner = Pick<SamlPartner, 'id' | 'role' | 'profiles' | 'logoutServices' | 'answerServices' | 'incomingBindings'>

async function endpointChecks(deps: PartnerDeps, partner: SamlPartner, usesFrames: boolean): Promise<readonly Check[]> {
  const { id, role, logoutServices } = partner
  if (logoutServices.length === 0) {
    const fix = `Add slo when the ${role === 'sp' ? 'application' : 'identity provider'} has one.`
    return [{ what: `${id}: logout`, verdict: 'warn', why: 'it has no logout endpoint: its sessions are shown as not possible', fix }]
  }
  const reached = await Promise.all(logoutServices.map((service) => reach(deps, id, service.url)))
  const answers = logoutServices.flatMap(({ binding, url, responseUrl }) =>
    responseUrl === undefined || responseUrl === url ? [] : [{ binding, url: responseUrl }]
  )
  const reachedAnswers = await Promise.all(answers.map(({ url }) => reach(deps, id, url)))
  const browser = browserCheck(deps.baseUrl, {
    id,
    hasServerWay: logoutServices.some(({ binding }) => binding === 'soap'),
    services: logoutServices.flatMap(({ binding, url }) => (binding === 'soap' ? [] : [{ binding, url }])),
    usesFrames,
    framesRefused: new Map(reached.flatMap(({ url, framesRefused }) => (framesRefused === undefined ? [] : [[url, framesRefused] as const])))
  })
  return [
    ...reached.map((one, i) => judgeReached(`${id}: logout by ${logoutServices[i]?.binding ?? ''}`, one)),
    ...reachedAnswers.map((one, i) => judgeReached(`${id}: logout answers by ${answers[i]?.binding ?? ''}`, one)),
    ...judgeClock(id, [...reached, ...reachedAnswers]),
    ...(browser === undefined ? [] : [browser]),
    ...[answerCheck(partner)].filter((check) => check !== undefined)
  ]
}

/** Where artifacts of the partner are exchanged; one that may send artifacts without such an address can't be understood. */
async function artifactChecks(deps: PartnerDeps, { id, artifactResolution, logoutServices }: SamlPartner): Promise<readonly Check[]> {
  const what = `${id}: artifacts`
  if (artifactResolution.length === 0) {
    if (logoutServices.every(({ binding }) => binding !== 'artifact')) return []
    const why = 'it takes part in logout by artifact and has no address to exchange its own artifacts at'
    return [{ what, verdict: 'warn', why, fix: 'Add artifactResolution, or another binding to slo.' }]
  }
  const reached = await Promise.all(artifactResolution.map((one) => reach(deps, id, one.url)))
  return reached.map((one, i) => judgeReached(`${what} of index ${artifactResolution[i]?.index ?? 0}`, one))
}

/** The certificate that signs metadata ends like any other. */
export function signerCheck({ settings }: PartnerConfig, nowMs: number): readonly Check[] {
  const path = settings.metadata?.certificate
  if (path === undefined) return []
  const what = `${settings.id}: certificate of the metadata`
  try {
    const { notAfterMs } = verificationKeyFromCertificate(readFileSync(path, 'utf8'))
    const date = notAfterMs === undefined ? {} : { notAfterMs }
    return [judgeExpiry({ what, ...date, hasSuccessor: false, fix: 'Ask who publishes the metadata for the next one.' }, nowMs)]
  } catch (error) {
    return [failedBy(what, error, `Check ${path}.`)]
  }
}
