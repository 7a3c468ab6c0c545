import { readFileSync } from 'node:fs'
import {
  describeReceived,
  isCurfewError,
  isSignedMetadata,
  type PeerKeys,
  parseMetadata,
  type Received,
  redact,
  verificationKeyFromCertificate,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '@curfew/codecs'
import { loadConfig } from '../../config/load.ts'
import { systemClock } from '../../platform/clock.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { type Inspected, recognise } from '../inspect-input.ts'
import { aligned } from '../table.ts'

/** One judged property: what it is, whether it is good, why. */
interface Judgement {
  readonly what: string
  readonly verdict: 'ok' | 'warn' | 'fail' | 'unknown'
  readonly why: string
}

/** `curfew inspect <anything>`: decodes, describes and judges, offline; secrets are shortened. */
export async function inspect(context: CommandContext, input: string): Promise<ExitCode> {
  const text = input === '-' ? await readStandardInput() : input
  const found = recognise(text)
  switch (found.kind) {
    case 'saml':
      return inspectSaml(context, found.received)
    case 'metadata':
      return inspectMetadata(context, found.bytes)
    case 'jwt':
      return inspectJwt(context, found.peek)
  }
}

async function inspectSaml(context: CommandContext, received: Received): Promise<ExitCode> {
  const description = describeReceived(received)
  const judgements = [await judgeSignature(context, received), ...judgeTimes(description.fields)]
  if (printJson(context, { ...description, judgements })) return codeOf(judgements)
  const { terminal } = context
  terminal.out(`${terminal.style('bold', description.kind)} by ${description.binding}${description.isSigned ? '' : ', unsigned'}`)
  const pairs = Object.entries(description.fields).map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')] as const)
  for (const line of aligned([...pairs, ...(description.signatureAlgorithm === undefined ? [] : [['Algorithm', description.signatureAlgorithm] as const])]))
    terminal.out(line)
  print(context, judgements)
  return codeOf(judgements)
}

/** Checks the signature against the partner of that name, when a configuration is at hand. */
async function judgeSignature(context: CommandContext, received: Received): Promise<Judgement> {
  const what = 'signature'
  if (!received.isSigned) return { what, verdict: received.kind === 'AuthnRequest' ? 'warn' : 'fail', why: 'there is none' }
  const { issuer } = received.claimed
  const keys = issuer === undefined ? undefined : await keysOf(context, issuer)
  if (keys === undefined) return { what, verdict: 'unknown', why: `no configured partner or key is ${issuer ?? 'named'}; run it where curfew.yaml is` }
  try {
    verify(received, keys)
    return { what, verdict: 'ok', why: `made by a key of ${keys.entityId}` }
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return { what, verdict: 'fail', why: `${error.code}: ${error.message}` }
  }
}

function verify(received: Received, keys: PeerKeys): void {
  switch (received.kind) {
    case 'AuthnRequest':
      verifyAuthnRequest(received, keys, { signature: 'required' })
      return
    case 'LogoutRequest':
      verifyLogoutRequest(received, keys)
      return
    case 'LogoutResponse':
      verifyLogoutResponse(received, keys)
      return
    case 'Response':
      verifyResponse(received, keys)
  }
}

/** Keys of a partner or of this authority itself, from the configuration; metadata by address is not fetched. */
async function keysOf(context: CommandContext, entityId: string): Promise<PeerKeys | undefined> {
  const result = loadConfig(configPath(context), { environment: context.environment })
  if (!result.ok) return undefined
  const { config } = result.loaded
  const own = config.saml.entityId ?? new URL(config.server.baseUrl).origin
  if (entityId === own) return { entityId, keys: config.saml.keys.map((key) => verificationKeyFromCertificate(readFileSync(key.certificate, 'utf8'))) }
  for (const settings of config.connections) {
    if (settings.protocol !== 'saml') continue
    if (settings.metadata?.url !== undefined) continue
    const file = settings.metadata?.file
    const published = file === undefined ? [] : parseMetadata(readFileSync(file))
    const found = published.find((entity) => entity.entityId === entityId)
    if (settings.entityId !== entityId && found === undefined) continue
    const certificates = (settings.certificates ?? []).map((path) => readFileSync(path, 'utf8'))
    const fromMetadata = found?.sp?.keys.filter((key) => key.use !== 'encryption').flatMap((key) => key.certificates) ?? []
    return { entityId, keys: [...certificates, ...fromMetadata].map(verificationKeyFromCertificate) }
  }
  return undefined
}

function judgeTimes(fields: Readonly<Record<string, string | readonly string[]>>): readonly Judgement[] {
  const nowMs = systemClock.nowMs()
  const issued = typeof fields['IssueInstant'] === 'string' ? Date.parse(fields['IssueInstant']) : Number.NaN
  const until = typeof fields['NotOnOrAfter'] === 'string' ? Date.parse(fields['NotOnOrAfter']) : Number.NaN
  const judgements: Judgement[] = []
  if (!Number.isNaN(issued)) {
    const age = Math.round((nowMs - issued) / 1000)
    judgements.push({ what: 'issued', verdict: age < -60 ? 'fail' : age > 360 ? 'warn' : 'ok', why: age < 0 ? `${-age} s in the future` : `${age} s ago` })
  }
  if (!Number.isNaN(until))
    judgements.push({
      what: 'expiry',
      verdict: until <= nowMs ? 'fail' : 'ok',
      why: until <= nowMs ? `expired ${Math.round((nowMs - until) / 1000)} s ago` : `valid for ${Math.round((until - nowMs) / 1000)} s`
    })
  return judgements
}

function inspectMetadata(context: CommandContext, bytes: Uint8Array): ExitCode {
  const entities = parseMetadata(bytes)
  if (printJson(context, entities)) return exitCode.done
  const { terminal } = context
  terminal.out(
    `${terminal.style('bold', 'Metadata')} of ${entities.length} ${entities.length === 1 ? 'entity' : 'entities'}, ${isSignedMetadata(bytes) ? 'signed' : 'unsigned'}`
  )
  for (const entity of entities.slice(0, 20)) {
    const roles = [entity.idp === undefined ? [] : ['identity provider'], entity.sp === undefined ? [] : ['service provider']].flat()
    const logout = [...(entity.sp?.singleLogoutServices ?? []), ...(entity.idp?.singleLogoutServices ?? [])]
    const keys = [...(entity.sp?.keys ?? []), ...(entity.idp?.keys ?? [])].flatMap((key) => key.certificates)
    for (const line of aligned([
      ['Entity ID', entity.entityId],
      ['Roles', roles.join(', ')],
      ...logout.map((service): readonly [string, string] => ['Logout', `${service.binding.split(':').at(-1) ?? ''} ${service.location}`]),
      ...keys.map((certificate): readonly [string, string] => ['Certificate', certificateWords(certificate)])
    ])) {
      terminal.out(line)
    }
  }
  return exitCode.done
}

function certificateWords(certificate: string): string {
  const key = verificationKeyFromCertificate(certificate)
  return `${key.fingerprint.slice(0, 23)}... valid to ${key.notAfterMs === undefined ? 'unknown' : new Date(key.notAfterMs).toISOString().slice(0, 10)}`
}

function inspectJwt(context: CommandContext, peek: Extract<Inspected, { readonly kind: 'jwt' }>['peek']): ExitCode {
  const claims = Object.fromEntries(Object.entries(peek.claims ?? {}).map(([name, value]) => [name, shownClaim(name, value)]))
  if (printJson(context, { header: peek.header, claims, verified: false })) return exitCode.done
  const { terminal } = context
  terminal.out(`${terminal.style('bold', peek.claims === undefined ? 'Encrypted JSON Web Token' : 'JSON Web Token')}, not verified`)
  for (const line of aligned(
    [...Object.entries(peek.header), ...Object.entries(claims)].map(
      ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const
    )
  ))
    terminal.out(line)
  const expires = peek.claims?.['exp']
  const isExpired = typeof expires === 'number' && expires * 1000 <= systemClock.nowMs()
  if (isExpired) print(context, [{ what: 'expiry', verdict: 'fail', why: `expired at ${new Date(expires * 1000).toISOString()}` }])
  return isExpired ? exitCode.partial : exitCode.done
}

/** Who it is about is shortened; times are shown as times. */
function shownClaim(name: string, value: unknown): unknown {
  if ((name === 'exp' || name === 'iat' || name === 'nbf' || name === 'auth_time') && typeof value === 'number') return new Date(value * 1000).toISOString()
  return typeof value === 'string' && (name === 'sub' || name === 'email' || name === 'sid' || name === 'jti') ? redact(value) : value
}

function print({ terminal }: CommandContext, judgements: readonly Judgement[]): void {
  const styles = { ok: 'green', warn: 'yellow', fail: 'red', unknown: 'dim' } as const
  for (const { what, verdict, why } of judgements) terminal.out(`  ${terminal.style(styles[verdict], verdict.padEnd(7))} ${what}: ${why}`)
}

function codeOf(judgements: readonly Judgement[]): ExitCode {
  return judgements.some((j) => j.verdict === 'fail') ? exitCode.partial : exitCode.done
}

async function readStandardInput(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8') as AsyncIterable<string>) text += chunk
  return text
}
