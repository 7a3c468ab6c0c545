import { decodeOpenToken, type DecodedOpenToken, isCurfewError, openTokenNames, type OpenTokenPeek, openTokenSuites } from '@curfew/codecs'
import type { OpenTokenAdapter } from '../authority/opentoken/adapter.ts'
import type { Judgement } from './inspect-judgement.ts'
import type { Show } from './inspect-shorten.ts'
import type { Surroundings } from './inspect-surroundings.ts'
import { judgeTimes } from './inspect-times.ts'
import { makeAdapters } from './opentoken-setup.ts'

/** What a person sees of a token, and what is judged of it. */
export interface OpenTokenReading {
  readonly fields: Readonly<Record<string, string | readonly string[]>>
  readonly judgements: readonly Judgement[]
}

/** Keys of a payload that name nobody. */
const openNames: ReadonlySet<string> = new Set([openTokenNames.notBefore, openTokenNames.notOnOrAfter, openTokenNames.renewUntil, openTokenNames.authnContext])

/**
 * Reads a token with the passwords that the configuration has; without one that fits, its head is all there is to see.
 * A token that is right is not used up by this: replays are the server's to know.
 */
export function readOpenToken(token: string, peek: OpenTokenPeek, surroundings: Surroundings | undefined, show: Show, nowMs: number): OpenTokenReading {
  const head = headOf(peek)
  const misshapen = shapeProblem(peek)
  if (misshapen !== undefined) return { fields: head, judgements: [{ what: 'shape', verdict: 'fail', why: misshapen }] }
  if (surroundings === undefined)
    return { fields: head, judgements: [{ what: 'password', verdict: 'unknown', why: 'no password is known; run it where curfew.yaml is' }] }
  const adapters = adaptersOf(surroundings).filter(({ key }) => key.suite.id === peek.suite)
  if (adapters.length === 0)
    return { fields: head, judgements: [{ what: 'password', verdict: 'unknown', why: `no OpenToken connection here has this cipher suite` }] }
  try {
    const decoded = decodeOpenToken(
      token,
      adapters.map(({ key }) => key)
    )
    const owners = adapters.filter(({ key }) => Buffer.from(key.octets).equals(Buffer.from(decoded.key.octets)))
    return { fields: { ...head, ...shownPairs(decoded, show) }, judgements: judged(decoded, owners, nowMs) }
  } catch (error) {
    if (!isCurfewError(error)) throw error
    const why = `made with the password of none of ${adapters.map(({ id }) => id).join(', ')}, or changed on the way`
    const isProven = error.code === 'CURFEW_OPENTOKEN_TEXT'
    return { fields: head, judgements: [{ what: 'password', verdict: 'fail', why: isProven ? 'it fits, and what it protects is no payload' : why }] }
  }
}

/** `2, AES-128-CBC` */
function headOf({ version, suite, keyInfo, payloadBytes }: OpenTokenPeek): Readonly<Record<string, string>> {
  const known = openTokenSuites[suite]
  return {
    Version: String(version),
    'Cipher suite': known === undefined ? `${suite}, unknown` : `${suite}, ${(known.cipher ?? 'nothing is encrypted').toUpperCase()}`,
    ...(keyInfo === undefined ? {} : { 'Key info': keyInfo === '' ? 'none' : keyInfo }),
    ...(payloadBytes === undefined ? {} : { Payload: `${payloadBytes} bytes, encrypted` })
  }
}

function shapeProblem({ version, suite, payloadBytes }: OpenTokenPeek): string | undefined {
  if (version !== 1) return `version ${version}: version 1 is the only one there is`
  if (openTokenSuites[suite] === undefined) return `cipher suite ${suite} does not exist`
  if (suite === 0) return 'cipher suite 0 protects nothing: anybody can make such a token, and none is taken'
  return payloadBytes === undefined ? 'its lengths do not fit: it was cut off or changed' : undefined
}

function adaptersOf({ config }: Surroundings): readonly OpenTokenAdapter[] {
  const adapters = makeAdapters(config)
  return [...config.connections, ...config.identityProviders].flatMap(({ id }) => adapters.byId(id) ?? [])
}

function shownPairs({ pairs }: DecodedOpenToken, show: Show): Readonly<Record<string, readonly string[]>> {
  const shown: Record<string, string[]> = {}
  for (const [name, value] of pairs) (shown[name] ??= []).push(openNames.has(name) ? value : show(value))
  return shown
}

function judged({ pairs }: DecodedOpenToken, owners: readonly OpenTokenAdapter[], nowMs: number): readonly Judgement[] {
  const subjects = pairs.filter(([name]) => name === openTokenNames.subject)
  const [notBeforeAtMs, expiresAtMs] = [openTokenNames.notBefore, openTokenNames.notOnOrAfter].map((name) => instantOf(pairs, name))
  const tolerance = Math.max(0, ...owners.map(({ notBeforeToleranceSeconds }) => notBeforeToleranceSeconds))
  const hasWindow = notBeforeAtMs !== undefined && expiresAtMs !== undefined
  return [
    { what: 'password', verdict: 'ok', why: `that of ${owners.map(({ id }) => id).join(', ')}` },
    ...(subjects.length === 1 ? [] : [{ what: 'subject', verdict: 'fail' as const, why: `it has ${subjects.length} subjects; one is needed` }]),
    ...(hasWindow
      ? [...judgeTimes({ notBeforeAtMs, limitsAge: false }, nowMs, tolerance), ...judgeTimes({ expiresAtMs, limitsAge: false }, nowMs, 0)]
      : [{ what: 'expiry', verdict: 'fail' as const, why: 'it has no not-before and not-on-or-after that can be read: it is not taken' }])
  ]
}

function instantOf(pairs: DecodedOpenToken['pairs'], name: string): number | undefined {
  const values = pairs.filter(([key]) => key === name)
  const atMs = values.length === 1 ? Date.parse(values[0]?.[1] ?? '') : Number.NaN
  return Number.isNaN(atMs) ? undefined : atMs
}
