import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Received, verifyResponse } from '../../src/index.ts'
import { canonical, cbcPeer, type ForeignParts, formerPair, ownPair, padded, strangerPair, wrapped } from '../support/encryption.ts'
import { codeOf, posted, responseXml } from '../support/messages.ts'

/** Refused at its first octet, as what a wrong key gives: how long XML takes to read is no secret of a key. */
const plain = Buffer.alloc(40_000, 0xff)
const last =
  (change: number) =>
  (octets: Buffer): Buffer => {
    octets[octets.length - 1] = (octets.at(-1) ?? 0) ^ change
    return octets
  }
/** Ways to fail that an attacker would like to tell apart, by what anybody can see: the algorithm. */
const failures: Readonly<Record<string, Readonly<Record<string, ForeignParts>>>> = {
  'AES-GCM': {
    'a key for somebody else': { plain, to: strangerPair.publicKey },
    'a changed tag, first key': { plain, octets: last(1) },
    'a changed tag, second key': { plain, to: formerPair.publicKey, octets: last(1) }
  },
  'AES-CBC': {
    'a key for somebody else': { plain, cipher: 'aes-256-cbc', to: strangerPair.publicKey },
    'a wrong padding': { plain, cipher: 'aes-256-cbc', padding: (octets) => last(0x80)(padded(octets)) },
    'a right padding, second key': { plain, cipher: 'aes-256-cbc', to: formerPair.publicKey }
  }
}

/**
 * A key that is encrypted to a larger modulus than one of ours can be a number that our key refuses at once. Anybody can
 * see that; such messages are left out.
 */
function messageOf(parts: ForeignParts): Received {
  for (;;) {
    let isFitting = false
    const keyOctets = (octets: Buffer): Buffer => {
      isFitting = [ownPair, formerPair].every(
        ({ publicKey }) => Buffer.compare(octets, Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url')) < 0
      )
      return octets
    }
    const xml = wrapped('EncryptedAssertion', { ...parts, keyOctets })
    if (isFitting) return posted(responseXml(canonical(xml), true), 'SAMLResponse')
  }
}

/** A private RSA operation more or less is 40 %; AES over the largest text is below what can be measured here. */
const spreadMax = 0.05

/** Time of one refusal; the lower quartile over rounds in turn leaves out what other programs cause. */
function measure(messages: readonly Received[], rounds: number): readonly number[] {
  const samples = messages.map((): number[] => [])
  for (let round = 0; round < rounds; round++)
    messages.forEach((message, i) => {
      const before = performance.now()
      codeOf(() => verifyResponse(message, cbcPeer))
      samples[i]?.push(performance.now() - before)
    })
  return samples.map((times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 4)] ?? 0)
}

suite('Padding oracle: refusals take the same time', () => {
  for (const [algorithm, ways] of Object.entries(failures))
    test(`with ${algorithm}, whatever could not be decrypted, and with whichever key`, () => {
      const messages = Object.values(ways).map(messageOf)
      for (const message of messages)
        assert.equal(
          codeOf(() => verifyResponse(message, cbcPeer)),
          'CURFEW_SAML_DECRYPTION'
        )
      measure(messages, 40)
      let spread = 1
      // A loaded machine may spoil one measurement, not four.
      for (let attempt = 0; attempt < 4 && spread > spreadMax; attempt++) {
        const times = measure(messages, 200)
        spread = Math.max(...times) / Math.min(...times) - 1
      }
      assert.ok(spread <= spreadMax, `refusals differ by ${Math.round(spread * 100)} %`)
    })
})
