import { CurfewError } from '../errors.ts'
import { attribute, is, text, type XmlElement } from '../xml/element.ts'
import { node, write, type XmlNode } from '../xml/writer.ts'
import type { Open } from '../xmlenc/decrypt.ts'
import type { Seal } from '../xmlenc/encrypt.ts'
import { ns, valueCharactersMax } from './names.ts'

/** A name identifier, exactly as issued: partners compare every part (Core 2.2.3). */
export interface NameID {
  readonly value: string
  readonly format?: string
  readonly nameQualifier?: string
  readonly spNameQualifier?: string
}

export function nameIdNode(id: NameID): XmlNode {
  return node('saml:NameID', { Format: id.format, NameQualifier: id.nameQualifier, SPNameQualifier: id.spNameQualifier }, [id.value])
}

/** The identifier encrypted for its reader (Core 2.2.4). */
export function encryptedIdNode(id: NameID, seal: Seal): XmlNode {
  return node('saml:EncryptedID', {}, [seal(write(nameIdNode(id), { saml: ns.saml }))])
}

/**
 * Reads an identifier, plain or encrypted.
 * @throws CURFEW_SAML_STRUCTURE, CURFEW_SAML_ENCRYPTED, CURFEW_SAML_ENCRYPTION_REFUSED, CURFEW_SAML_DECRYPTION
 */
export function readNameId(element: XmlElement | undefined, open: Open): NameID {
  if (is(element, ns.saml, 'EncryptedID')) return readPlainNameId(open(element, { namespace: ns.saml, name: 'NameID' }).root)
  return readPlainNameId(element)
}

/** @throws CURFEW_SAML_STRUCTURE for anything but a NameID */
export function readPlainNameId(element: XmlElement | undefined): NameID {
  if (!is(element, ns.saml, 'NameID')) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'NameID' })
  const value = text(element)
  if (value.length === 0 || value.length > valueCharactersMax) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'NameID value' })
  const format = attribute(element, 'Format')
  const nameQualifier = attribute(element, 'NameQualifier')
  const spNameQualifier = attribute(element, 'SPNameQualifier')
  return {
    value,
    ...(format === undefined ? {} : { format }),
    ...(nameQualifier === undefined ? {} : { nameQualifier }),
    ...(spNameQualifier === undefined ? {} : { spNameQualifier })
  }
}

/**
 * Strong match of Core 3.7.3: value, format and both qualifiers; an absent qualifier stands for the provider that
 * issued the name and the party it was issued to.
 */
export function sameNameId(a: NameID, b: NameID, issuer: string, recipient: string): boolean {
  return (
    a.value === b.value &&
    (a.format ?? unspecified) === (b.format ?? unspecified) &&
    (a.nameQualifier ?? issuer) === (b.nameQualifier ?? issuer) &&
    (a.spNameQualifier ?? recipient) === (b.spNameQualifier ?? recipient)
  )
}

const unspecified = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified'
