import { type Check, dayMs, dayText, daysBetween } from './doctor-check.ts'

/** A certificate that ends sooner is warned of, in days. */
export const expiryWarnDays = 30

export interface DatedKey {
  readonly what: string
  /** Absent for a bare key. */
  readonly notAfterMs?: number
  /** Another key of the same owner goes on when this one ends. */
  readonly hasSuccessor: boolean
  /** What to do when it ends soon, and when it has ended. */
  readonly fix: string
}

/**
 * Judges the dates of one certificate. SAML itself does not: the certificate only carries the key. Partners do, and an
 * ended certificate is a key that nobody looks after.
 * @see saml-metadata-iop-2.0 section 2.6.1
 */
export function judgeExpiry({ what, notAfterMs, hasSuccessor, fix }: DatedKey, nowMs: number): Check {
  if (notAfterMs === undefined) return { what, verdict: 'ok', why: 'a key without a certificate date' }
  const until = dayText(notAfterMs)
  if (notAfterMs <= nowMs) {
    if (hasSuccessor)
      return { what, verdict: 'warn', why: `its certificate ended ${until}, another one goes on`, fix: 'Take it out when nobody signs with it any more.' }
    return { what, verdict: 'fail', why: `its certificate ended ${until}`, fix }
  }
  const days = daysBetween(nowMs, notAfterMs)
  if (notAfterMs - nowMs >= expiryWarnDays * dayMs) return { what, verdict: 'ok', why: `certificate valid to ${until}` }
  if (hasSuccessor) return { what, verdict: 'ok', why: `its certificate ends ${until}, another one goes on` }
  return { what, verdict: 'warn', why: `its certificate ends ${until}, in ${days} ${days === 1 ? 'day' : 'days'}`, fix }
}

/** True when some other key is good for longer than the time that is warned of. */
export function hasSuccessor(
  own: { readonly notAfterMs?: number | undefined },
  all: readonly { readonly notAfterMs?: number | undefined }[],
  nowMs: number
): boolean {
  return all.some((other) => other !== own && (other.notAfterMs ?? Number.POSITIVE_INFINITY) - nowMs >= expiryWarnDays * dayMs)
}
