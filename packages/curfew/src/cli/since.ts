const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads `30m`, `2h`, `7d` (that long ago) or a date, with a time or without. Undefined: neither, or in the future. */
export function sinceMs(text: string, nowMs: number): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (count !== undefined) return nowMs - Number(count) * (unitMs[unit] ?? 0)
  const atMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(atMs) || atMs > nowMs || atMs < 0 ? undefined : atMs
}
