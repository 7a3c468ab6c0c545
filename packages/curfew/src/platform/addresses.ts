import { BlockList, isIP, isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'

/** Ranges that an outbound request may not reach unless the configuration allows them. */
const privateRanges: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  // Everything that carries an IPv4 address inside: compatible (with :: and ::1), translated, NAT64, Teredo, 6to4.
  ['::', 96, 'ipv6'],
  ['::ffff:0:0:0', 96, 'ipv6'],
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['2001::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['100::', 64, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6']
]

/** Decides whether an address may be reached. */
export interface AddressPolicy {
  isAllowed(address: string): boolean
}

/**
 * Refuses private, local and reserved ranges except those named.
 * @param allowed - CIDR ranges, such as `127.0.0.0/8`
 * @throws RangeError for a text that is no range
 */
export function createAddressPolicy(allowed: readonly string[]): AddressPolicy {
  const refused = new BlockList()
  for (const [network, bits, family] of privateRanges) refused.addSubnet(network, bits, family)
  const permitted = new BlockList()
  for (const range of allowed) addRange(permitted, range)
  return {
    isAllowed(address) {
      // A zone says by which interface, not whom.
      const plain = unmapped(address.replace(/%.*$/, ''))
      const kind = isIP(plain)
      if (kind === 0) return false
      const family = kind === 4 ? 'ipv4' : 'ipv6'
      return permitted.check(plain, family) || !refused.check(plain, family)
    }
  }
}

/**
 * Decides whether an address lies in one of some ranges.
 * @throws RangeError for a text that is no range
 */
export function createAddressList(ranges: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList()
  for (const range of ranges) addRange(list, range)
  const judged = new LRUCache<string, boolean>({ max: judgedMax })
  const judge = (address: string): boolean => {
    const plain = unmapped(address)
    const kind = isIP(plain)
    return kind !== 0 && list.check(plain, kind === 4 ? 'ipv4' : 'ipv6')
  }
  return (address = '') => {
    const known = judged.get(address)
    if (known !== undefined) return known
    const isListed = judge(address)
    judged.set(address, isListed)
    return isListed
  }
}

/** Addresses whose answer is kept: the same come with request after request. */
const judgedMax = 1_000

function addRange(list: BlockList, range: string): void {
  const [network = '', bits = ''] = range.split('/')
  const kind = isIP(network)
  const prefix = bits === '' ? (kind === 4 ? 32 : 128) : Number(bits)
  if (kind === 0 || !Number.isInteger(prefix)) throw new RangeError(`${range} is not an address range`)
  list.addSubnet(network, prefix, kind === 4 ? 'ipv4' : 'ipv6')
}

/** An IPv4 address that came as IPv6 is judged as what it reaches. */
function unmapped(address: string): string {
  const match = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (match?.[1] !== undefined) return match[1]
  const hex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address)
  if (hex === null) return address
  const high = Number.parseInt(hex[1] ?? '0', 16)
  const low = Number.parseInt(hex[2] ?? '0', 16)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** Whom an address belongs to: who has one of IPv6 has all of its /64. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address
  const [before = '', after = ''] = (address.split('%', 1)[0] ?? '').split('::')
  const groups = (text: string): readonly string[] => (text === '' ? [] : text.split(':'))
  const [first, last] = [groups(before), groups(after)]
  const all = [...first, ...Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => '0'), ...last]
  return `${all.slice(0, 4).join(':')}::/64`
}
