/** Hash slots of Redis Cluster. */
export const slotsTotal = 16_384

/** What each octet does to the remainder. */
const crcOfOctet = Uint16Array.from({ length: 256 }, (_, octet) => {
  let crc = octet << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? (crc << 1) & 0xffff : ((crc << 1) ^ 0x1021) & 0xffff
  return crc
})

/** CRC16 (XMODEM) of the octets of a text in UTF-8, as the cluster specification has it. */
function crc16(text: string): number {
  let crc = 0
  for (let i = 0; i < text.length; i++) {
    const octet = text.charCodeAt(i)
    if (octet > 0x7f) return crc16Of(Buffer.from(text))
    crc = step(crc, octet)
  }
  return crc
}

function crc16Of(octets: Uint8Array): number {
  return octets.reduce(step, 0)
}

function step(crc: number, octet: number): number {
  return ((crc << 8) & 0xffff) ^ (crcOfOctet[(crc >> 8) ^ octet] ?? 0)
}

/** The slot of a hash tag (what stands between the braces of a key). */
export function slotOfTag(tag: string): number {
  return crc16(tag) % slotsTotal
}

/** A number below `count` for any text, spread evenly. */
export function spread(text: string, count: number): number {
  return crc16(text) % count
}

/**
 * Tags of the buckets: the one of bucket `i` falls into the `i`-th of `count` equal ranges of slots, so that any number
 * of primaries up to `count` gets an even share.
 *
 * @param count - a power of two, at most 1024
 */
export function bucketTags(count: number): readonly string[] {
  const tags: string[] = []
  let found = 0
  for (let n = 0; found < count; n++) {
    const tag = n.toString(36)
    const bucket = Math.floor((slotOfTag(tag) * count) / slotsTotal)
    if (tags[bucket] !== undefined) continue
    tags[bucket] = tag
    found += 1
  }
  return tags
}
