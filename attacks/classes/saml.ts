import { attack, type AttackClass, edit } from '../attack.ts'

const redirect = 'packages/codecs/src/saml/redirect-binding.ts'
const post = 'packages/codecs/src/saml/post-binding.ts'
const base64 = 'packages/codecs/src/base64.ts'
const decrypt = 'packages/codecs/src/xmlenc/decrypt.ts'
const verify = 'packages/codecs/src/saml/verify.ts'
const validate = 'packages/codecs/src/saml/validate.ts'
const codecs = 'packages/codecs/test'
const curfew = 'packages/curfew/test/attacks'
const source = 'packages/curfew/src'
const guard = 'packages/sdk/src/saml-service-provider.ts'

const twice = edit(redirect, 'if (found.has(name)) throw refused(`${name} stands twice`)', '')
const both = edit(redirect, 'if (message === undefined || (request !== undefined && response !== undefined))', 'if (message === undefined)')
const exactBase64 = edit(base64, 'if (octets.length === 0 || !isExact)', 'if (octets.length === 0)')
const tellsPadding = edit(
  decrypt,
  'if (document === undefined || !isKnown || !isWhole || !isExpected)',
  "if (!isWhole) throw new CurfewError('CURFEW_SAML_DECRYPTION', { what: 'the padding' })\n    if (document === undefined || !isKnown || !isExpected)"
)

/** What can be done with the message around its signature, and with what it says. */
export const samlAttacks: readonly AttackClass[] = [
  attack('Deflate bomb', `${codecs}/saml/redirect.test.ts`, [
    {
      test: 'refuses a bomb',
      without: 'the limit of what is inflated',
      edits: [edit(redirect, 'maxOutputLength: messageLimits.documentBytesMax,', '')]
    },
    {
      file: `${curfew}/logout-messages.test.ts`,
      test: 'document types, entities and deflate bombs, quickly',
      without: 'the limit of what is inflated',
      edits: [edit(redirect, 'maxOutputLength: messageLimits.documentBytesMax,', '')]
    }
  ]),
  attack('Parameters duplicated', `${codecs}/saml/redirect.test.ts`, [
    ...['the message twice', 'RelayState twice', 'Signature twice'].map((what) => ({
      test: `refuses ${what}`,
      without: 'the refusal of a second parameter: the last one counts',
      edits: [twice]
    })),
    ...['the message twice', 'RelayState twice'].map((what) => ({
      file: `${codecs}/attacks/parameters.test.ts`,
      test: `by POST refuses ${what}`,
      without: 'the refusal of a second field: the last one counts',
      edits: [edit(post, "if (found.has(name)) throw new CurfewError('CURFEW_SAML_QUERY', { why: `${name} stands twice` })", '')]
    }))
  ]),
  attack('Parameters oddly encoded', `${codecs}/saml/redirect.test.ts`, [
    {
      test: 'refuses an encoded name',
      without: 'the refusal of encoded names: they are passed over',
      edits: [edit(redirect, "else if (name.includes('%') && known.has(decode(name))) throw refused('a parameter name is encoded')", '')]
    },
    ...['base64 of another alphabet', 'base64 with something after its padding', 'base64 with letters that decoders pass over'].map((what) => ({
      file: `${codecs}/attacks/parameters.test.ts`,
      test: `by POST refuses ${what}`,
      without: 'the exact reading of base64',
      edits: [exactBase64]
    })),
    {
      test: 'refuses octets after the stream',
      without: 'the rule that nothing follows the DEFLATE stream',
      edits: [
        edit(redirect, "if (engine.bytesWritten !== packed.length) throw new CurfewError('CURFEW_SAML_DEFLATE', { why: 'something follows the stream' })", '')
      ]
    },
    {
      test: 'whatever RelayState holds, the address stays as it was signed when a browser reads it',
      without: 'the encoding of what browsers encode',
      edits: [edit(redirect, `.replaceAll("'", '%27')`, '')]
    }
  ]),
  attack('SAMLRequest and SAMLResponse together', `${codecs}/saml/redirect.test.ts`, [
    { test: 'refuses request and response together', without: 'the rule of one message: the request counts', edits: [both] },
    {
      file: `${codecs}/attacks/parameters.test.ts`,
      test: 'by POST refuses request and response together',
      without: 'the rule of one message: the request counts',
      edits: [edit(post, "|| (request !== undefined && found.has('SAMLResponse'))", '')]
    },
    {
      test: 'refuses a request under the name of a response',
      without: 'the comparison of the parameter with the message',
      edits: [edit(redirect, "if (isRequest !== (name === 'SAMLRequest')) throw refused('the parameter does not fit the message')", '')]
    }
  ]),
  attack('SigAlg without Signature', `${codecs}/saml/redirect.test.ts`, [
    ...['SigAlg without Signature', 'Signature without SigAlg'].map((what) => ({
      test: `refuses ${what}`,
      without: 'the rule that both belong together: such a query counts as unsigned',
      edits: [edit(redirect, "throw refused('SigAlg and Signature belong together')", 'return undefined')]
    }))
  ]),
  attack('Padding oracle on EncryptedID: uniform answer', `${codecs}/attacks/encryption.test.ts`, [
    { test: 'an EncryptedID that can not be read says no more, whatever was wrong with it', without: 'the one answer for everything', edits: [tellsPadding] },
    { test: 'CBC with a padding of 0', without: 'the one answer for everything', edits: [tellsPadding] },
    { test: 'all 256 last octets of a CBC text give one answer', without: 'the one answer for everything', edits: [tellsPadding] },
    {
      test: 'what can be read and is not signed, or wrongly, says no more than what can not be read',
      without: 'the one answer for what nothing signed surrounds',
      edits: [edit(verify, 'isHidden && outer === undefined ? hidden(() => insideOf(plain, peer, true)) : insideOf', 'insideOf')]
    },
    {
      test: 'a changed key',
      without: 'the work that goes on with a key nobody knows',
      edits: [
        edit(
          decrypt,
          '    const { octets, isWhole } = decipher(sealed, contentKey)\n',
          "    if (!isKnown) throw new CurfewError('CURFEW_SAML_DECRYPTION', { what: 'the key' })\n    const { octets, isWhole } = decipher(sealed, contentKey)\n"
        )
      ]
    }
  ]),
  attack('AES-CBC, which carries no proof of its own', 'packages/curfew/test/authority/saml/encryption.test.ts', [
    {
      test: 'AES-CBC is refused where the connection says nothing of it',
      without: 'the demand that the connection allows it',
      edits: [edit(decrypt, 'isCovered && decryption.allowsCbc === true', 'isCovered')]
    },
    {
      test: 'AES-CBC is read where the connection allows it, and only with a signature around the cipher text',
      without: 'the demand for a signature around the cipher text',
      edits: [edit(decrypt, 'isCovered && decryption.allowsCbc === true', 'decryption.allowsCbc === true')]
    }
  ]),
  attack('Padding oracle on EncryptedID: uniform time', `${codecs}/xmlenc/timing.it.ts`, [
    ...['AES-GCM', 'AES-CBC'].map((algorithm) => ({
      test: `with ${algorithm}, whatever could not be decrypted, and with whichever key`,
      alone: true,
      without: 'the trial of every key after one has fitted',
      edits: [
        edit(
          decrypt,
          '      if (found === undefined && opened?.length === content.keyBytes) found = opened\n',
          '      if (found === undefined && opened?.length === content.keyBytes) return { contentKey: opened, isKnown: true }\n'
        )
      ]
    }))
  ]),
  attack('Message of another peer', `${codecs}/saml/messages.test.ts`, [
    {
      test: 'a request for another partner is refused whoever signed it',
      without: 'the comparison of the issuer with the partner whose keys fit',
      edits: [
        edit(
          verify,
          "if (message.issuer !== peer.entityId) throw new CurfewError('CURFEW_SAML_ISSUER_WRONG', { expected: peer.entityId })\n  return Object.freeze",
          'return Object.freeze'
        )
      ]
    },
    {
      file: `${curfew}/logout-messages.test.ts`,
      test: 'a partner can not end a session through another partner’s name or index',
      without: 'the look-up by partner: the index alone finds the session',
      edits: [
        edit(
          `${source}/authority/saml/logout-request.ts`,
          'sessionIndexes.map((index) => ctx.everywhere.byIndex(connection.id, index))',
          "sessionIndexes.map((index) => ctx.everywhere.byIndex('payroll', index))"
        )
      ]
    },
    {
      file: `${curfew}/logout-messages.test.ts`,
      test: 'AC-145 a LogoutRequest signed with a key that is not the partner’s',
      without: 'the check of the signature',
      edits: [
        edit(
          'packages/codecs/src/dsig/sign.ts',
          'candidates.find((candidate) => cryptoVerify(method.hash, octets, cryptoOptions(method, candidate.key), signature))',
          'candidates.find((candidate) => cryptoOptions(method, candidate.key) !== undefined && octets !== signature && cryptoVerify !== undefined)'
        )
      ]
    },
    {
      file: `${curfew}/artifact-binding.test.ts`,
      test: 'a message of another partner, signed by that partner ends nothing',
      without: 'the rule that a resolved message comes from the issuer of its artifact',
      edits: [
        edit(verify, 'if (carried.claimed.issuer !== peer.entityId)', 'if (carried.claimed.issuer === undefined)'),
        edit(verify, "if (received.binding === 'artifact' && carriedBy !== peer.entityId)", "if (received.binding === 'artifact' && carriedBy === undefined)")
      ]
    }
  ]),
  attack('A binding that the connection does not list', `${curfew}/logout-messages.test.ts`, [
    {
      test: 'AC-143 a message by a binding that the connection does not list: Redirect, POST and SOAP',
      without: 'the look at the list for LogoutRequests',
      edits: [edit(`${source}/authority/saml/logout-request.ts`, '      requireBinding(connection, received)\n', '')]
    },
    {
      test: 'AC-143 a LogoutResponse by a binding that the connection does not list counts for nothing, and the browser still gets on',
      without: 'the look at the list for LogoutResponses',
      edits: [edit(`${source}/authority/saml/slo.ts`, '    requireBinding(connection, received)\n', '')]
    },
    {
      file: `${curfew}/sign-in-answers.test.ts`,
      test: 'AC-143 a Response by a binding that the connection does not list signs nobody in',
      without: 'the look at the list for Responses',
      edits: [edit(`${source}/authority/saml-sp/consume.ts`, '  requireBinding(provider, received)\n', '')]
    }
  ]),
  attack('The answer to an artifact', `${codecs}/attacks/artifact.test.ts`, [
    {
      test: 'be read with the keys of somebody who was not asked',
      without: 'the rule that a resolved message comes from the issuer of its artifact',
      edits: [
        edit(verify, "if (received.binding === 'artifact' && carriedBy !== peer.entityId)", "if (received.binding === 'artifact' && carriedBy === undefined)")
      ]
    },
    {
      test: 'answer another question',
      without: 'the comparison of InResponseTo with what was asked',
      edits: [edit(verify, 'if (response.inResponseTo !== asked.requestId) throw', "if (response.inResponseTo === 'nothing') throw")]
    }
  ]),
  attack('Cross-peer InResponseTo', `${curfew}/logout-messages.test.ts`, [
    {
      test: 'an answer of another partner to a request it was never sent counts for nothing; the browser that is out goes on, any other sees an error',
      without: 'the look-up of the request by partner',
      edits: [
        edit(
          `${source}/stores/memory/memory-runs.ts`,
          'state().messages.get(pairKey(peerId, messageId))',
          "state().messages.get(pairKey('intranet', messageId) ?? peerId)"
        )
      ]
    },
    {
      file: `${curfew}/sign-in-answers.test.ts`,
      test: 'one identity provider can not answer for another',
      without: 'the comparison of who answers with who was asked',
      edits: [edit(`${source}/authority/saml-sp/consume.ts`, 'if (pending?.providerId !== provider.id)', 'if (pending === undefined)')]
    },
    {
      file: `${curfew}/sign-in-answers.test.ts`,
      test: 'an assertion confirmed for another request is refused',
      without: 'the comparison of InResponseTo in the confirmation',
      edits: [edit(validate, 'c.notBefore === undefined &&\n      c.inResponseTo === context.inResponseTo', 'c.notBefore === undefined')]
    }
  ]),
  attack('Wrong Destination', `${codecs}/attacks/clock-boundaries.test.ts`, [
    {
      test: 'another host is refused for requests and answers',
      without: 'the comparison of the Destination with the configured addresses',
      edits: [edit(validate, 'message.destination === undefined || !context.destinations.includes(message.destination)', 'message.destination === undefined')]
    },
    {
      test: 'none is refused for requests and answers',
      without: 'the demand for a Destination',
      edits: [edit(validate, 'message.destination === undefined || !context.destinations', 'message.destination !== undefined && !context.destinations')]
    },
    ...[
      'a signed AuthnRequest without one is refused by Redirect and by POST; one that is not signed needs none',
      'a signed Response without one is refused; around a signed assertion it needs none'
    ].map((test) => ({
      test,
      without: 'the demand for a Destination in what is signed and goes through the browser',
      edits: [edit(validate, "(binding === 'redirect' || binding === 'post') && covers === 'message'", "binding === 'soap' && covers === 'message'")]
    })),
    {
      file: `${curfew}/sign-in-answers.test.ts`,
      test: 'a signed answer that names no Destination signs nobody in',
      without: 'the demand for a Destination in what is signed and goes through the browser',
      edits: [edit(validate, "(binding === 'redirect' || binding === 'post') && covers === 'message'", "binding === 'soap' && covers === 'message'")]
    },
    {
      file: `${curfew}/sign-in-answers.test.ts`,
      test: 'an assertion sent to another address is refused',
      without: 'the comparison of Destination and Recipient with our address',
      edits: [
        edit(validate, 'destination !== context.consumerUrl)', 'destination === context.audience)'),
        edit(validate, 'c.recipient === context.consumerUrl &&', '')
      ]
    },
    {
      file: `${curfew}/sign-in-answers.test.ts`,
      test: 'an assertion meant for another service provider is refused',
      without: 'the comparison of the audience',
      edits: [edit(validate, '!audienceRestrictions.every((audiences) => audiences.includes(context.audience))', 'audienceRestrictions === undefined')]
    }
  ]),
  attack('Clock boundaries', `${codecs}/attacks/clock-boundaries.test.ts`, [
    {
      test: 'a LogoutRequest ends at its NotOnOrAfter and the skew',
      without: 'the "or" of NotOnOrAfter',
      edits: [
        edit(
          validate,
          'context.now.epochMilliseconds - skewMs >= notOnOrAfter.epochMilliseconds) throw',
          'context.now.epochMilliseconds - skewMs > notOnOrAfter.epochMilliseconds) throw'
        )
      ]
    },
    {
      test: 'a LogoutRequest without an end of its own grows old',
      without: 'the age of a message',
      edits: [
        edit(validate, 'if (limitsAge && ageMs > messageAgeSecondsMax * 1000 + skewMs)', 'if (limitsAge && ageMs > messageAgeSecondsMax * 1000 + skewMs + 1)')
      ]
    },
    {
      test: 'a LogoutRequest of the future is taken within the skew',
      without: 'the limit of the skew',
      edits: [edit(validate, 'if (ageMs < -skewMs)', 'if (ageMs < -skewMs - 1)')]
    },
    {
      test: 'the conditions of an assertion begin at NotBefore less the skew',
      without: 'the limit of the skew',
      edits: [edit(validate, 'nowMs + skewMs < notBefore.epochMilliseconds', 'nowMs + skewMs + 1 < notBefore.epochMilliseconds')]
    },
    {
      test: 'the conditions of an assertion end at NotOnOrAfter and the skew',
      without: 'the "or" of NotOnOrAfter',
      edits: [edit(validate, 'nowMs - skewMs >= notOnOrAfter.epochMilliseconds)', 'nowMs - skewMs > notOnOrAfter.epochMilliseconds)')]
    },
    {
      test: 'the confirmation of a subject ends at its own NotOnOrAfter and the skew',
      without: 'the "or" of NotOnOrAfter',
      edits: [edit(validate, 'nowMs - skewMs < c.notOnOrAfter.epochMilliseconds', 'nowMs - skewMs <= c.notOnOrAfter.epochMilliseconds')]
    }
  ]),
  attack('Replay, and one-time values used 100 times in parallel', `${curfew}/one-time-values.it.ts`, [
    {
      file: `${curfew}/logout-messages.test.ts`,
      test: 'one that was received before',
      without: 'the memory of what was received',
      edits: [edit(`${source}/authority/saml/logout-request.ts`, "const isRepeat = value === 'seen'", 'const isRepeat = value === undefined')]
    },
    {
      file: `${curfew}/logout-messages.test.ts`,
      test: 'one that was received before and names nobody’s session, where the person signs in anew',
      without: 'the limit of a repeat to sessions that were there when the message came first',
      edits: [
        edit(
          `${source}/authority/saml/logout-request.ts`,
          'return participant.addedAtMs < message.issueInstant.epochMilliseconds - saml.clockSkewSeconds * 1000',
          'return participant.addedAtMs > saml.clockSkewSeconds'
        )
      ]
    },
    {
      test: 'AC-195 of a hundred deliveries of one LogoutRequest at two nodes exactly one is carried out',
      without: 'the memory of what was received, and the look whether the run is that of the same message',
      edits: [
        edit(`${source}/authority/saml/logout-request.ts`, "const isRepeat = value === 'seen'", 'const isRepeat = value === undefined'),
        edit(`${source}/authority/saml/logout-request.ts`, 'if (await isOwnRun(ctx, accepted, runId)) throw', 'if (runId === undefined) throw')
      ]
    },
    {
      test: 'AC-195 of a hundred deliveries of one assertion at two nodes exactly one signs somebody in',
      without: 'the memory of what was presented',
      edits: [
        edit(
          `${source}/authority/saml-sp/consume.ts`,
          "if (value === 'seen') throw new CurfewError('CURFEW_SAML_REPLAYED'",
          "if (value === undefined) throw new CurfewError('CURFEW_SAML_REPLAYED'"
        )
      ]
    },
    {
      test: 'AC-195 of a hundred exchanges of an authorization code at two nodes exactly one gets tokens',
      without: 'the one use of a code, whoever is first',
      edits: [edit(`${source}/authority/oidc/artifacts.ts`, "if (value !== 'consumed') throw alreadyUsed()", 'if (value === undefined) throw alreadyUsed()')]
    },
    {
      test: 'AC-195 of a hundred pick-ups of a reference at two nodes exactly one gets the attributes',
      without: 'taking a value away as it is read',
      edits: [
        edit(
          `${source}/stores/sqlite/service-writes.ts`,
          "'DELETE FROM tx WHERE key = ? RETURNING until_ms, value'",
          "'SELECT until_ms, value FROM tx WHERE key = ?'"
        )
      ]
    },
    {
      test: 'AC-195 of a hundred resolutions of an artifact at two nodes exactly one gets the message',
      without: 'taking a value away as it is read',
      edits: [
        edit(
          `${source}/stores/sqlite/service-writes.ts`,
          "'DELETE FROM tx WHERE key = ? RETURNING until_ms, value'",
          "'SELECT until_ms, value FROM tx WHERE key = ?'"
        )
      ]
    },
    {
      file: `${curfew}/resume-paths.test.ts`,
      test: 'AC-023 raced 100 times, exactly one request goes on',
      without: 'taking a value away as it is read',
      edits: [edit(`${source}/stores/memory/memory-services.ts`, '?.untilMs\n        all.transactions.delete(key)\n', '?.untilMs\n')]
    }
  ]),
  attack('Login CSRF at an application by SAML', 'packages/sdk/test/attacks/saml-sign-in-of-another.test.ts', [
    ...[
      'the answer that Eve asked for, in a form of another site, signs nobody in as Eve: the application asks who is there',
      'the answer that Eve asked for, in a form of the same site, with cookies, signs nobody in as Eve: the application asks who is there',
      'nor in a browser that never was here',
      'the address at which the answer of Eve waits for her, as a link for ana, signs nobody in as Eve, and is used up'
    ].map((test) => ({
      test,
      without: 'the comparison of the browser that asked with the one that brings the answer',
      edits: [edit(guard, 'return this.#browser(request)?.name === browser', "return browser !== ''")]
    })),
    {
      test: 'an answer that nobody asked for signs nobody in as Eve',
      without: 'the rule that such an answer makes the application ask itself',
      edits: [edit(guard, "unsolicitedResponses = 'restart'", "unsolicitedResponses = 'accept'")]
    },
    {
      test: 'an answer that Eve asked for is not one that nobody asked for, whatever she takes out around the assertion',
      without: 'the comparison of what the assertion answers with what its Response does',
      edits: [edit(validate, 'c.inResponseTo === context.inResponseTo', "c.inResponseTo !== ''")]
    }
  ])
]
