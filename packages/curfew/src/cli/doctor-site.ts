/** Second-level names under which whole countries register, such as `co.uk`. */
const sharedSecondLevels = new Set(['ac', 'co', 'com', 'edu', 'gob', 'gouv', 'gov', 'gv', 'ne', 'net', 'nom', 'or', 'org', 'sch'])

/**
 * Whether browsers take two addresses for one site: same scheme, same registrable domain. Read off the names: a shared
 * hosting domain that is not shaped like `co.uk` is taken for the domain of one owner.
 * @see rfc6265bis section 5.2
 */
export function isSameSite(a: string, b: string): boolean {
  const [one, other] = [new URL(a), new URL(b)]
  return one.protocol === other.protocol && siteOf(one.hostname) === siteOf(other.hostname)
}

/** Registrable domain of a host; addresses and names of one label are sites of their own. */
export function siteOf(host: string): string {
  if (host.startsWith('[') || /^[0-9.]+$/.test(host)) return host
  const labels = host.replace(/\.$/, '').split('.')
  const [top = '', second = ''] = labels.toReversed()
  const isShared = top.length === 2 && sharedSecondLevels.has(second)
  return labels.slice(isShared ? -3 : -2).join('.')
}
