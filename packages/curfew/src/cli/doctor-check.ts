import { isCurfewError } from '@curfew/codecs'
import { renderError } from '../errors/render.ts'

/** One thing that was looked at: a sentence, and what to do where something is wrong. */
export interface Check {
  readonly what: string
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly why: string
  readonly fix?: string
}

/** A check that an error ended: what happened, and the remedy of its code. @param fix - where the code has none */
export function failedBy(what: string, error: unknown, fix: string): Check {
  if (!isCurfewError(error)) return { what, verdict: 'fail', why: error instanceof Error ? error.message : 'can not be read', fix }
  const { title, facts, remedy, code } = renderError(error)
  const where = facts.length === 0 ? '' : ` (${facts.map(([name, value]) => `${name} ${value}`).join(', ')})`
  return { what, verdict: 'fail', why: `${title.replace(/\.$/, '')}${where}: ${code}`, fix: remedy ?? fix }
}

export const dayMs = 86_400_000

/** `2026-11-24`, UTC. */
export function dayText(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10)
}

/** Whole days between two instants, at least 0. */
export function daysBetween(fromMs: number, toMs: number): number {
  return Math.max(0, Math.floor((toMs - fromMs) / dayMs))
}
