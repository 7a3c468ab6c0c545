import type { IncomingMessage } from 'node:http'

/** A page is asked for, not a part of one: only there a redirect to a sign-in leads somewhere. */
export function isNavigation({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const mode = headers['sec-fetch-mode']
  if (mode !== undefined) return mode === 'navigate'
  if (headers['x-requested-with'] === 'XMLHttpRequest') return false
  const accept = headers.accept ?? '*/*'
  return accept.includes('html') || !accept.includes('json')
}
