/** Hash slots of Redis Cluster. */
export const slotsTotal = 16_384

/** CRC16 (XMODEM), as the cluster specification has it. */
function crc16(octets: Uint8Array): number {
  let crc = 0
  for (const octet of octets) {
    crc ^= octet << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? (crc << 1) & 0xffff : ((crc << 1) ^ 0x1021) & 0xffff
  }
  return crc
}

/** The slot of a hash tag (what stands between the braces of a key). */
export function slotOfTag(tag: string): number {
  return crc16(Buffer.from(tag)) % slotsTotal
}

/** A number below `count` for any text, spread evenly. */
export function spread(text: string, count: number): number {
  return crc16(Buffer.from(text)) % count
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
