/** Longest request target, in characters. */
export const targetCharactersMax = 16_384

/** A path with one meaning at sight, as most are: no query, no escape, no empty segment and none that begins with a dot. */
const plain = /^\/(?:[\w~-][\w.~-]*\/)*(?:[\w~-][\w.~-]*)?$/

/**
 * What a path means, whoever reads it: decoded once, slashes merged, path parameters left out. Undefined for one that
 * two readers could take for two things; it is refused, not repaired. The application gets the path as it came.
 *
 * Refused are: anything but a path (`http://...`, `*`), dot segments in any spelling, encoded slashes, backslashes and
 * NUL, control characters, a percent sign that encodes nothing, octets that are no UTF-8, and percent signs that encode
 * such a spelling once more.
 */
export function requestPath(target: string): string | undefined {
  if (target.length <= targetCharactersMax && plain.test(target)) return target
  const end = target.search(/[?#]/)
  const path = end < 0 ? target : target.slice(0, end)
  if (!path.startsWith('/') || target.length > targetCharactersMax || target.includes('#')) return undefined
  if (path.includes('\\') || /%(?:2f|5c|00)/i.test(path)) return undefined
  const decoded = decode(path)
  if (decoded === undefined || hasControl(decoded) || /%(?:2e|2f|5c|00|25)/i.test(decoded)) return undefined
  const segments = decoded.split('/').map((segment) => segment.split(';', 1)[0] ?? '')
  if (segments.some((segment) => segment === '.' || segment === '..')) return undefined
  return `/${segments.filter((segment, i) => segment !== '' || i === segments.length - 1).join('/')}`
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
