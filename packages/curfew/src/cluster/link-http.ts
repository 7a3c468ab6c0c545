/** How a call stands in a request. */
export const linkHeaders = {
  from: 'curfew-link-from',
  to: 'curfew-link-to',
  at: 'curfew-link-at',
  deadline: 'curfew-link-deadline',
  nonce: 'curfew-link-nonce',
  proof: 'curfew-link-proof'
} as const

/** Path of a call; the number is that of the format of the proof. */
export function linkPath(name: string): string {
  return `/link/1/${name}`
}
