import { isStrictBase64 } from '../base64.ts'
import { childElements, hasOnly, is, isWhiteSpace, text, type XmlElement } from '../xml/element.ts'

const dsNamespace = 'http://www.w3.org/2000/09/xmldsig#'
/** Namespaces whose elements have no business in a hint to a key, however deep. */
const messageNamespaces = /^(?:$|urn:oasis:names:tc:SAML:|http:\/\/www\.w3\.org\/2001\/04\/xmlenc#|http:\/\/schemas\.xmlsoap\.org\/soap\/)/

/**
 * True for a KeyInfo as its schema has it: names of keys, keys of RSA, certificates, references to them, and hints of other
 * namespaces (as those of WS-Security, or of XML Signature 1.1 for keys of ECDSA).
 *
 * No key is ever taken from it and no signature covers it. It is held to its schema so that nothing which other verifiers
 * refuse can be put there into a message that was signed. Kinds of keys that can not sign here (DSA, PGP, SPKI) are left out.
 *
 * The schema asks for one hint at least, and for one part of `X509Data`. Both may be empty all the same: xml-crypto writes
 * them so, and where there is nothing, nothing can be hidden.
 *
 * @throws CURFEW_XML_TEXT_UNEXPECTED, CURFEW_XML_ELEMENT_UNEXPECTED for what its parts can not hold
 * @see xmldsig-core1 section 4.5
 */
export function isKeyInfo(info: XmlElement): boolean {
  return is(info, dsNamespace, 'KeyInfo') && hasOnly(info, ['Id']) && childElements(info).every(isHint)
}

/** True for one hint of a KeyInfo. */
export function isHint(hint: XmlElement): boolean {
  if (hint.namespace !== dsNamespace) return isForeign(hint)
  switch (hint.name) {
    case 'KeyName':
      return isText(hint)
    case 'KeyValue':
      return hasOnly(hint, []) && childElements(hint).length === 1 && childElements(hint).every(isKeyValue)
    case 'RetrievalMethod':
      return hasOnly(hint, ['URI', 'Type']) && childElements(hint).length === 0
    case 'X509Data':
      return hasOnly(hint, []) && childElements(hint).every(isX509)
    default:
      return false
  }
}

function isForeign(element: XmlElement): boolean {
  return !messageNamespaces.test(element.namespace) && element.children.every((child) => typeof child === 'string' || isHint(child))
}

function isKeyValue(value: XmlElement): boolean {
  if (value.namespace !== dsNamespace) return isForeign(value)
  const [modulus, exponent, ...more] = childElements(value)
  return is(value, dsNamespace, 'RSAKeyValue') && hasOnly(value, []) && isOctets(modulus, 'Modulus') && isOctets(exponent, 'Exponent') && more.length === 0
}

function isX509(part: XmlElement): boolean {
  if (part.namespace !== dsNamespace) return isForeign(part)
  switch (part.name) {
    case 'X509Certificate':
    case 'X509SKI':
    case 'X509CRL':
      return isOctets(part, part.name)
    case 'X509SubjectName':
      return isText(part)
    case 'X509IssuerSerial': {
      const [name, serial, ...more] = childElements(part)
      const isNamed = is(name, dsNamespace, 'X509IssuerName') && isText(name)
      const isNumbered = is(serial, dsNamespace, 'X509SerialNumber') && isText(serial) && isInteger(text(serial))
      return hasOnly(part, []) && isNamed && isNumbered && more.length === 0
    }
    default:
      return false
  }
}

/** xs:integer. */
export function isInteger(value: string): boolean {
  const [digits = ''] = /[+-]?\d+/.exec(value) ?? []
  return digits !== '' && isWhiteSpace(value.replace(digits, ''))
}

function isOctets(element: XmlElement | undefined, name: string): boolean {
  return is(element, dsNamespace, name) && hasOnly(element, []) && isStrictBase64(text(element), 'whitespace')
}

function isText(element: XmlElement): boolean {
  return hasOnly(element, []) && text(element).length >= 0
}
