import { constants, createCipheriv, publicEncrypt } from 'node:crypto'
import { CanonicalXml, node, write, type XmlNode } from '../xml/writer.ts'
import { contentCipher, transportNames, xenc11Namespace, xencNamespace } from './algorithms.ts'
import { type EncryptionTarget, requireEncryptionKey } from './keys.ts'

const writing = { xenc: xencNamespace, xenc11: xenc11Namespace, ds: 'http://www.w3.org/2000/09/xmldsig#' }
export const elementType = `${xencNamespace}Element`
export const ivBytes = 12
export const tagBytes = 16

/** Turns the text of one element into an `EncryptedData` in its canonical form. */
export type Seal = (xml: string) => CanonicalXml

/**
 * Encrypts for one reader: AES-GCM with a fresh key, and that key by RSA-OAEP inside of `KeyInfo`.
 * @param random - fresh random octets, as many as asked for
 * @throws CURFEW_SAML_KEY_TOO_WEAK
 * @see xmlenc-core1 sections 3.1, 5.2.4, 5.5.2
 */
export function createSeal(target: EncryptionTarget, random: (count: number) => Uint8Array): Seal {
  requireEncryptionKey(target.key)
  const { cipher, keyBytes, uri } = contentCipher(target.content)
  return (xml) => {
    const contentKey = random(keyBytes)
    const iv = random(ivBytes)
    const encrypting = createCipheriv(cipher as 'aes-256-gcm', contentKey, iv, { authTagLength: tagBytes })
    const octets = Buffer.concat([iv, encrypting.update(xml, 'utf8'), encrypting.final(), encrypting.getAuthTag()])
    const data = node('xenc:EncryptedData', { Type: elementType }, [
      node('xenc:EncryptionMethod', { Algorithm: uri }),
      node('ds:KeyInfo', {}, [encryptedKey(target, contentKey)]),
      cipherData(octets)
    ])
    return new CanonicalXml(write(data, writing))
  }
}

function encryptedKey({ key, transport, recipient }: EncryptionTarget, contentKey: Uint8Array): XmlNode {
  const { uri, digestUri, mgfUri, hash } = transportNames(transport)
  const octets = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash }, contentKey)
  return node('xenc:EncryptedKey', { Recipient: recipient }, [
    node('xenc:EncryptionMethod', { Algorithm: uri }, [
      node('ds:DigestMethod', { Algorithm: digestUri }),
      mgfUri === undefined ? undefined : node('xenc11:MGF', { Algorithm: mgfUri })
    ]),
    cipherData(octets)
  ])
}

function cipherData(octets: Uint8Array): XmlNode {
  return node('xenc:CipherData', {}, [node('xenc:CipherValue', {}, [Buffer.from(octets).toString('base64')])])
}
