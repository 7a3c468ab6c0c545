import { type CarriedArtifact, type EntityDescriptor, isSignedMetadata, lifetimeOf, parseMetadata, verificationKeyFromCertificate } from '@curfew/codecs'
import { systemClock } from '../../platform/clock.ts'
import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { artifactFields, judgeArtifact } from '../inspect-artifact.ts'
import { knownRun, knownSession, reference } from '../inspect-id.ts'
import { type Inspected, recognise } from '../inspect-input.ts'
import { type Judgement, judgementLines } from '../inspect-judgement.ts'
import { readMessage } from '../inspect-message.ts'
import { judgeMessage } from '../inspect-saml.ts'
import { readOpenToken } from '../inspect-opentoken.ts'
import { serverOf } from '../inspect-server.ts'
import { revealed, type Show, shortened } from '../inspect-shorten.ts'
import { surroundingsOf } from '../inspect-surroundings.ts'
import { judgeToken, shownClaims } from '../inspect-token.ts'
import { aligned } from '../table.ts'

export interface InspectOptions {
  /** Show names, attributes and signatures of tokens in full. */
  readonly reveal?: boolean
}

/**
 * `curfew inspect <anything>`: decodes, describes and judges. Works offline; a server is asked only where one is
 * configured and its token can be read, or where an identifier is all there is. What names a person is shortened.
 */
export async function inspect(context: CommandContext, input: string, options: InspectOptions = {}): Promise<ExitCode> {
  const text = input === '-' ? await readStandardInput() : input
  const show = options.reveal === true ? revealed : shortened
  const found = recognise(text)
  switch (found.kind) {
    case 'saml':
      return inspectSaml(context, found, show)
    case 'artifact':
      return inspectArtifact(context, found.carried, show)
    case 'metadata':
      return inspectMetadata(context, found.bytes)
    case 'jwt':
      return inspectJwt(context, found, show)
    case 'opentoken':
      return inspectOpenToken(context, found, show)
    case 'id':
      return inspectId(context, found)
  }
}

async function inspectId(context: CommandContext, { of, id }: Extract<Inspected, { readonly kind: 'id' }>): Promise<ExitCode> {
  const { terminal } = context
  const known =
    of === 'reference' ? reference(id) : of === 'run' ? await knownRun(connect(context), id, terminal) : await knownSession(connect(context), id, terminal)
  if (!printJson(context, known.answer)) for (const line of known.lines) terminal.out(line)
  return exitCode.done
}

async function inspectOpenToken(context: CommandContext, { peek, token }: Extract<Inspected, { readonly kind: 'opentoken' }>, show: Show): Promise<ExitCode> {
  const { fields, judgements } = readOpenToken(token, peek, await surroundingsOf(context), show, systemClock.nowMs())
  if (printJson(context, { kind: 'opentoken', ...peek, fields, judgements })) return codeOf(judgements)
  const { terminal } = context
  terminal.out(terminal.style('bold', 'OpenToken'))
  for (const line of aligned(Object.entries(fields).flatMap(([name, value]) => linesOf(name, value)))) terminal.out(line)
  for (const line of judgementLines(judgements, terminal)) terminal.out(line)
  return codeOf(judgements)
}

async function inspectArtifact(context: CommandContext, carried: CarriedArtifact, show: Show): Promise<ExitCode> {
  const judgements = judgeArtifact(carried, await surroundingsOf(context))
  const fields = artifactFields(carried, show)
  if (printJson(context, { kind: 'artifact', fields, judgements })) return codeOf(judgements)
  const { terminal } = context
  terminal.out(`${terminal.style('bold', 'Artifact')} of SAML 2.0`)
  for (const line of aligned(Object.entries(fields))) terminal.out(line)
  for (const line of judgementLines(judgements, terminal)) terminal.out(line)
  return codeOf(judgements)
}

type InspectedSaml = Extract<Inspected, { readonly kind: 'saml' }>

async function inspectSaml(context: CommandContext, found: InspectedSaml, show: Show): Promise<ExitCode> {
  const { received, sentTo } = found
  const surroundings = await surroundingsOf(context)
  const { description, ...read } = readMessage(received, found.message, show)
  const message = { ...read, received, ...(sentTo === undefined ? {} : { sentTo }) }
  const judgements = await judgeMessage(message, surroundings, serverOf(context), systemClock.nowMs())
  if (printJson(context, { ...description, ...(sentTo === undefined ? {} : { sentTo }), judgements })) return codeOf(judgements)
  const { terminal } = context
  terminal.out(`${terminal.style('bold', description.kind)} by ${description.binding}${description.isSigned ? '' : ', unsigned'}`)
  const pairs = Object.entries(description.fields).flatMap(([name, value]) => linesOf(name, value))
  const { signatureAlgorithm } = description
  for (const line of aligned([...pairs, ...(signatureAlgorithm === undefined ? [] : [['Algorithm', signatureAlgorithm] as const])])) terminal.out(line)
  for (const line of judgementLines(judgements, terminal)) terminal.out(line)
  return codeOf(judgements)
}

/** Several values stand below each other; the name stands once. */
function linesOf(name: string, value: string | readonly string[]): readonly (readonly [string, string])[] {
  return [value].flat().map((one, i) => [i === 0 ? name : '', one])
}

/** When the roles of an entity end, each only once. */
function endsOf(entity: EntityDescriptor): readonly Temporal.Instant[] {
  const ends = (['idp', 'sp'] as const).flatMap((role) => (entity[role] === undefined ? [] : (lifetimeOf(entity, role).validUntil ?? [])))
  return ends.filter((end, i) => ends.findIndex((one) => one.equals(end)) === i)
}

function inspectMetadata(context: CommandContext, bytes: Uint8Array): ExitCode {
  const entities = parseMetadata(bytes)
  const isOver = entities.some((entity) => endsOf(entity).some(({ epochMilliseconds }) => epochMilliseconds <= systemClock.nowMs()))
  const code = isOver ? exitCode.partial : exitCode.done
  if (printJson(context, entities)) return code
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
      ...endsOf(entity).map((end) => ['Valid until', end.toString()] as const),
      ...logout.map((service): readonly [string, string] => ['Logout', `${service.binding.split(':').at(-1) ?? ''} ${service.location}`]),
      ...keys.map((certificate): readonly [string, string] => ['Certificate', certificateWords(certificate)])
    ])) {
      terminal.out(line)
    }
  }
  if (isOver) for (const line of judgementLines([{ what: 'expiry', verdict: 'fail', why: 'past its validUntil: it is not used' }], terminal)) terminal.out(line)
  return code
}

function certificateWords(certificate: string): string {
  const key = verificationKeyFromCertificate(certificate)
  return `${key.fingerprint.slice(0, 23)}... valid to ${key.notAfterMs === undefined ? 'unknown' : new Date(key.notAfterMs).toISOString().slice(0, 10)}`
}

async function inspectJwt(context: CommandContext, { peek, token }: Extract<Inspected, { readonly kind: 'jwt' }>, show: Show): Promise<ExitCode> {
  const surroundings = await surroundingsOf(context)
  const claims = shownClaims(peek.claims ?? {}, show)
  const judgements = await judgeToken(token, peek, surroundings, serverOf(context), systemClock.nowMs())
  const isVerified = judgements.some(({ what, verdict }) => what === 'signature' && verdict === 'ok')
  const last = token.slice(token.lastIndexOf('.') + 1)
  const shownSignature = last === '' ? 'none' : show(last)
  if (printJson(context, { header: peek.header, claims, signature: shownSignature, verified: isVerified, judgements })) return codeOf(judgements)
  const { terminal } = context
  terminal.out(`${terminal.style('bold', peek.claims === undefined ? 'Encrypted JSON Web Token' : 'JSON Web Token')}${isVerified ? '' : ', not verified'}`)
  const pairs = [...Object.entries(peek.header), ...Object.entries(claims)].map(
    ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const
  )
  for (const line of aligned([...pairs, ['Signature', shownSignature]])) terminal.out(line)
  for (const line of judgementLines(judgements, terminal)) terminal.out(line)
  return codeOf(judgements)
}

/** Something is wrong with the message: 2. What could not be judged is not wrong. */
function codeOf(judgements: readonly Judgement[]): ExitCode {
  return judgements.some((j) => j.verdict === 'fail') ? exitCode.partial : exitCode.done
}

async function readStandardInput(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8') as AsyncIterable<string>) text += chunk
  return text
}
