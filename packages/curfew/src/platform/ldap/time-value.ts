/** How a directory writes an instant. */
export type TimeSyntax = 'generalizedTime' | 'fileTime'

/** Between 1601, where the other system starts to count, and 1970, in milliseconds. */
const fileTimeEpochMs = 11_644_473_600_000
const generalized = /^(\d{4})(\d{2})(\d{2})(\d{2})(?:(\d{2})(\d{2})?)?(?:[.,](\d+))?(Z|[+-]\d{2}(?:\d{2})?)$/

/**
 * Milliseconds since the epoch; undefined when the text is none, or says never.
 * @see rfc4517 section 3.3.13
 */
export function readTime(syntax: TimeSyntax, text: string): number | undefined {
  if (syntax === 'fileTime') {
    const ticks = /^\d{1,19}$/.test(text) ? BigInt(text) : 0n
    return ticks === 0n || ticks === 0x7fff_ffff_ffff_ffffn ? undefined : Number(ticks / 10_000n) - fileTimeEpochMs
  }
  const match = generalized.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute = '00', second = '00', fraction = '', zone = 'Z'] = match
  const offset = zone === 'Z' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3) || '00'}`
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${`${fraction}000`.slice(0, 3)}${offset}`)
  return Number.isNaN(ms) ? undefined : ms
}

/** An instant as the directory compares it, down to the second. */
export function writeTime(syntax: TimeSyntax, atMs: number): string {
  const whole = Math.floor(atMs / 1000) * 1000
  if (syntax === 'fileTime') return String(BigInt(whole + fileTimeEpochMs) * 10_000n)
  return `${new Date(whole).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
}
