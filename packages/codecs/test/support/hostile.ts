import { messageLimits } from '../../src/index.ts'
import { signedRequest } from './messages.ts'

const bytesMax = messageLimits.documentBytesMax

/** A LogoutRequest of nearly the largest size that is well formed up to its last octet and fails at the digest. */
function stuffed(unit: string, countMax = Number.POSITIVE_INFINITY): string {
  const around = signedRequest.length + '<samlp:Extensions></samlp:Extensions>'.length
  const count = Math.min(countMax, Math.floor((bytesMax - around) / Buffer.byteLength(unit)))
  return signedRequest.replace('<saml:NameID', `<samlp:Extensions>${unit.repeat(count)}</samlp:Extensions><saml:NameID`)
}

const names = Array.from({ length: 32 }, (_, i) => `${String.fromCharCode(97 + (i % 26))}${i}`)
const attributes = (count: number): string =>
  names
    .slice(0, count)
    .map((name) => ` ${name}=""`)
    .toReversed()
    .join('')
const declarations = (count: number): string =>
  names
    .slice(0, count)
    .map((name) => ` xmlns:${name}="a:"`)
    .join('')
/** 28 elements inside each other that declare and use 16 prefixes each, and many leaves inside. */
const scopes = (leaf: string): string => {
  const level = (i: number): string => Array.from({ length: 16 }, (_, k) => ` xmlns:p${i}-${k}="a:${k}" p${i}-${k}:x=""`).join('')
  return Array.from({ length: 28 }, (_, i) => `<z${level(i)}>`).join('') + leaf.repeat(1_900) + '</z>'.repeat(28)
}
const listed = (xml: string): string =>
  xml.replace(
    /<ds:Transform Algorithm="http:\/\/www.w3.org\/2001\/10\/xml-exc-c14n#"><\/ds:Transform>/,
    `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><x:InclusiveNamespaces xmlns:x="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="${names.slice(0, 16).join(' ')}"></x:InclusiveNamespaces></ds:Transform>`
  )

/** Documents that are as costly to refuse as their size allows, by what is costly in them. */
export const hostileMessages: Readonly<Record<string, string>> = {
  'elements up to the limit': stuffed('<a></a>', 1_980),
  'more elements than the limit': stuffed('<a></a>'),
  'elements inside each other': '<a>'.repeat(bytesMax / 3),
  'attributes up to the limit': stuffed(`<a${attributes(32)}/>`, 248),
  'more attributes than the limit': stuffed(`<a${attributes(32)}/>`),
  'namespaces that nothing uses': stuffed(`<a${declarations(16)}/>`, 490),
  'more namespaces than the limit': stuffed(`<a${declarations(16)}/>`),
  'many namespaces in force and one more on each of many elements': stuffed(scopes('<w:q xmlns:w="b:c"/>'), 1),
  'a PrefixList under many namespaces': listed(stuffed(scopes('<q/>'), 1)),
  'ids on every element': stuffed(`<a${' '.repeat(60)}/>`, 1_900).replaceAll(
    /<a {60}/g,
    (() => {
      let next = 0
      return () => `<a ID="_${(next += 1)}" Id="__${next}" id="___${next}" xml:id="_${next}_"`
    })()
  ),
  'character references': stuffed(`<a>${'&#65;'.repeat(2_000)}</a>`),
  'entities that are escaped again': stuffed(`<a b="${'&lt;'.repeat(2_000)}">${'&amp;'.repeat(2_000)}</a>`),
  'nothing but >': stuffed(`<a>${'>'.repeat(8_000)}</a>`),
  'line ends to normalise': stuffed(`<a>${'\r'.repeat(8_000)}</a>`),
  'white space to normalise in attributes': stuffed(`<a b="${'\t\r\n'.repeat(2_700)}"/>`),
  'characters of three octets': stuffed(`<a>${'\u20ac'.repeat(2_600)}</a>`),
  'text up to the limit': stuffed(`<a>${'x'.repeat(60_000)}</a>`),
  'a tag that does not end': `<a${' '.repeat(bytesMax - 2)}`,
  'a name that does not end': `<${'a'.repeat(bytesMax - 1)}`,
  'an attribute that does not end': `<a b="${'x'.repeat(bytesMax - 6)}`,
  'entities of a document type': `<!DOCTYPE a [${'<!ENTITY a "&b;&b;">'.repeat(10_000)}`
}
