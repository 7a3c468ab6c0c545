/**
 * Judges a history of revocations and checks as a linearizability check judges a register: what was asked, when each call
 * began and when it was answered. A revocation is a write that is never taken back, a check a read. In the region that
 * acknowledged a revocation every later check has to see it; in another region from the moment on at which the two have
 * been joined for as long as the bound says.
 */
export interface Revocation {
  readonly kind: 'revoked'
  readonly key: string
  readonly region: string
  readonly fromMs: number
  readonly toMs: number
}

export interface Check {
  readonly kind: 'checked'
  readonly key: string
  readonly region: string
  /** `unknown`: refused, but not because it was revoked: it has not arrived yet, or nobody could be asked. */
  readonly answer: 'accepted' | 'revoked' | 'unknown'
  readonly fromMs: number
  readonly toMs: number
}

export type Operation = Revocation | Check

/** A time in which nothing went from one region to another. */
export interface Cut {
  readonly fromMs: number
  readonly toMs: number
}

/**
 * A server took over in this region that lacks writes which were never on enough servers to be promised. Whoever owes them
 * sends them again within the bound; what was known by one of them alone is forgotten until then.
 */
export interface Loss {
  readonly region: string
  readonly atMs: number
}

export interface HistoryRules {
  /** How long regions have to be joined until one knows what the other has acknowledged. */
  readonly boundMs: number
  readonly cuts: readonly Cut[]
  readonly losses?: readonly Loss[]
}

/** Everything in a history that no correct authority can have answered. */
export function violations(history: readonly Operation[], rules: HistoryRules): readonly string[] {
  return [...Map.groupBy(history, ({ key }) => key)].flatMap(([key, operations]) => violationsOf(key, operations, rules))
}

function violationsOf(key: string, operations: readonly Operation[], rules: HistoryRules): readonly string[] {
  const revocations = operations.filter((one) => one.kind === 'revoked')
  const checks = operations.filter((one) => one.kind === 'checked')
  const begunMs = Math.min(...revocations.map(({ fromMs }) => fromMs))
  return checks.flatMap((check) => {
    const where = `${key} in ${check.region} at ${check.fromMs.toFixed(0)} ms`
    if (check.answer === 'revoked') return check.toMs < begunMs ? [`${where}: refused as revoked before anybody had asked for that`] : []
    if (check.answer === 'unknown') return []
    const known = revocations.find((one) => check.fromMs > knownAtMs(one, check.region, rules))
    if (known !== undefined) return [`${where}: accepted, although ${known.region} had acknowledged its end at ${known.toMs.toFixed(0)} ms`]
    const earlier = checks.find((one) => one.region === check.region && one.answer === 'revoked' && one.toMs < check.fromMs && !isForgotten(one, check, rules))
    return earlier === undefined ? [] : [`${where}: accepted, although the same region had refused it at ${earlier.toMs.toFixed(0)} ms`]
  })
}

/** True where what one check knew may be gone for the other: it was acknowledged to nobody here. */
function isForgotten(known: Check, check: Check, { boundMs, losses = [] }: HistoryRules): boolean {
  return losses.some(({ region, atMs }) => region === check.region && known.toMs <= atMs && check.toMs >= atMs && check.fromMs <= atMs + boundMs)
}

/** From when on a region has to know of a revocation. */
function knownAtMs({ region, toMs }: Revocation, asked: string, { boundMs, cuts }: HistoryRules): number {
  if (asked === region) return toMs
  let sinceMs = toMs
  for (const cut of [...cuts].sort((a, b) => a.fromMs - b.fromMs)) {
    if (cut.fromMs >= sinceMs + boundMs) break
    if (cut.toMs > sinceMs) sinceMs = cut.toMs
  }
  return sinceMs + boundMs
}
