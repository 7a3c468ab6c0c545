/** Longest request target, in characters. */
export const targetCharactersMax = 16_384

/** A path with one meaning at sight, as most are: no query, no escape, no empty segment and none that begins with a dot. */
const plain = /^\/(?:[\w~-][\w.~-]*\/)*(?:[\w~-][\w.~-]*)?$/

/**
 * The two ends of how servers read a path. Some merge slashes and leave parameters out (`/a;v=1//b` is `/a/b`), some take
 * every sign for what it is; whatever a server does lies between the two.
 */
export interface RequestPath {
  /** Slashes merged, parameters left out. */
  readonly meaning: string
  /** Decoded and nothing else. */
  readonly literal: string
}

/**
 * What a path means, whoever reads it: decoded once, at both ends of what servers make of it. Undefined for one that two
 * readers could take for two places above or beside each other; it is refused, not repaired. The application gets the
 * path as it came.
 *
 * Refused are: anything but a path (`http://...`, `*`), dot segments in any spelling, encoded slashes, backslashes and
 * NUL, control characters, a percent sign that encodes nothing, octets that are no UTF-8, and percent signs that encode
 * such a spelling once more.
 */
export function requestPath(target: string): RequestPath | undefined {
  if (target.length <= targetCharactersMax && plain.test(target)) return { meaning: target, literal: target }
  const end = target.search(/[?#]/)
  const path = end < 0 ? target : target.slice(0, end)
  if (!path.startsWith('/') || target.length > targetCharactersMax || target.includes('#')) return undefined
  if (path.includes('\\') || /%(?:2f|5c|00)/i.test(path)) return undefined
  const literal = decode(path)
  if (literal === undefined || hasControl(literal) || /%(?:2e|2f|5c|00|25)/i.test(literal)) return undefined
  const segments = literal.split('/').map((segment) => segment.split(';', 1)[0] ?? '')
  if (segments.some((segment) => segment === '.' || segment === '..')) return undefined
  return { literal, meaning: `/${segments.filter((segment, i) => segment !== '' || i === segments.length - 1).join('/')}` }
}

function decode(path: string): string | undefined {
  if (!path.includes('%')) return path
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

/** True for the path itself and what lies below it. */
export function liesBelow(path: string, root: string): boolean {
  return root === '/' || path === root || path.startsWith(`${root}/`)
}
