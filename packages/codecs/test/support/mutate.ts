import type { Seeded } from './seeded.ts'

/** Pieces that parsers are known to disagree about. */
const pieces = [
  '<',
  '>',
  '/',
  '&',
  ';',
  '"',
  "'",
  '=',
  ' ',
  '\t',
  '\n',
  '\r',
  '\r\n',
  ':',
  '-',
  '.',
  '!',
  '?',
  ']',
  '#',
  'x',
  '\0',
  '\u0001',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\ufffe',
  '\u00e9',
  '\u{1f600}',
  '<!--',
  '-->',
  '<!-- x -->',
  '<![CDATA[',
  ']]>',
  '<?x y?>',
  '<?xml version="1.0"?>',
  '<!DOCTYPE r>',
  '&amp;',
  '&lt;',
  '&#13;',
  '&#10;',
  '&#9;',
  '&#x0;',
  '&#xD800;',
  '&#65;',
  '&x;',
  ']]&gt;',
  ' xmlns=""',
  ' xmlns="urn:x"',
  ' xmlns:a="urn:x"',
  ' xmlns:saml="urn:x"',
  ' xmlns:samlp=""',
  ' xmlns:xml="http://www.w3.org/XML/1998/namespace"',
  ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#"',
  ' a:b="c"',
  ' ID="_a"',
  ' Id="_b"',
  ' xml:id="_c"',
  ' xml:lang="de"',
  ' a="1" b="2"',
  '<a>',
  '</a>',
  '<a/>',
  '<a:b/>',
  '<a xmlns="urn:y"/>',
  '<saml:Issuer>',
  '</saml:Issuer>',
  'saml:',
  'samlp:',
  'ds:'
] as const

/** Changes octets of a document: one to three cuts, copies, swaps, insertions or bit flips. */
export function mutate(bytes: Buffer, random: Seeded): Buffer {
  let out = bytes
  for (let left = 1 + random.below(3); left > 0; left--) out = once(out, random)
  return out
}

function once(bytes: Buffer, random: Seeded): Buffer {
  const at = random.below(bytes.length + 1)
  const to = Math.min(bytes.length, at + random.below(12))
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (random.below(8)) {
    case 0: {
      const copy = Buffer.from(bytes)
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
      return copy
    }
    case 1:
      return Buffer.concat([before, bytes.subarray(to)])
    case 2:
      return Buffer.concat([before, bytes.subarray(at, to), bytes.subarray(at, to), bytes.subarray(to)])
    case 3: {
      const from = random.below(bytes.length)
      return Buffer.concat([before, bytes.subarray(from, from + random.below(60)), after])
    }
    case 4:
      return Buffer.concat([before, Buffer.from(random.one(pieces)), bytes.subarray(to)])
    case 5:
      return atTag(bytes, random, random.one(pieces))
    default:
      return Buffer.concat([before, Buffer.from(random.one(pieces)), after])
  }
}

/** Puts a piece where it matters most: directly before or after one of the characters that make tags. */
function atTag(bytes: Buffer, random: Seeded, piece: string): Buffer {
  const mark = random.one(['<', '>', '"', ' ', '='] as const).charCodeAt(0)
  const found = bytes.indexOf(mark, random.below(bytes.length))
  const at = found < 0 ? 0 : found + random.below(2)
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(piece), bytes.subarray(at)])
}
