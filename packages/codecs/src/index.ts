export { strictBase64 } from './base64.ts'
export {
  type SignatureAlgorithm,
  signatureUri,
  unsafeAllowSha1,
  unsafeAllowSmallRsa,
  type VerifyPolicy
} from './dsig/algorithms.ts'
export { type SignedView, verifyEnveloped } from './dsig/enveloped.ts'
export {
  certificateBase64,
  requireSigningKey,
  type SigningKey,
  type VerificationKey,
  verificationKeyFromCertificate,
  verificationKeyFromPublicKey
} from './dsig/keys.ts'
export { type SignableParts, sha256Hex, signBytes, signBytesSync, signEnveloped, signEnvelopedSync, verifyBytes } from './dsig/sign.ts'
export { type CatalogueEntry, CurfewError, type CodecCode, codecCatalogue, type ErrorContext, isCurfewError } from './errors.ts'
export { type JwtPeek, peekJwt } from './jwt/peek.ts'
export { type IdToken, type IdTokenExpectation, verifyIdToken } from './oidc/id-token.ts'
export { backChannelLogoutEvent, type LogoutToken, type LogoutTokenExpectation, verifyLogoutToken } from './oidc/logout-token.ts'
export { codeChallenge } from './oidc/pkce.ts'
export { type Claims, type TokenAlgorithm, type TokenExpectation, tokenAlgorithms } from './oidc/token.ts'
export {
  type AgentConfig,
  agentConfigDefaults,
  agentConfigRanges,
  parseAgentConfig,
  serialiseAgentConfig
} from './opentoken/agent-config.ts'
export { type OpenTokenKey, openTokenKey, openTokenRawKey, unsafeAllowNullSuite, unsafeNullSuiteKey } from './opentoken/key.ts'
export { openTokenLimits } from './opentoken/limits.ts'
export { type OpenTokenPairs, parsePayload, serialisePayload } from './opentoken/payload.ts'
export { type OpenTokenSuite, type OpenTokenSuiteId, openTokenSuites } from './opentoken/suite.ts'
export { type DecodedOpenToken, decodeOpenToken, encodeOpenToken, type OpenTokenPeek, peekOpenToken } from './opentoken/token.ts'
export {
  notBeforeToleranceSecondsDefault,
  type OpenTokenExpectation,
  openTokenNames,
  type OpenTokenStatement,
  type VerifiedOpenToken,
  verifyOpenToken,
  writeOpenToken
} from './opentoken/verify.ts'
export { type FeedAnswer, type FeedClock, type FeedQuestion, type FeedReader, type FeedReaderDeps, startFeedReader } from './revocation/feed-reader.ts'
export { createRevocationList, type RevocationList } from './revocation/revocation-list.ts'
export {
  type RevocationPage,
  type RevokedEntry,
  revocationFingerprint,
  revocationPageAudience,
  revocationPageCharactersMax,
  revocationPageClaims,
  revocationPageEntriesMax,
  revocationPageType,
  verifyRevocationPage
} from './revocation/revocation-page.ts'
export { type RevocationKey, revocationKey, RevokedSet } from './revocation/revoked-set.ts'
export {
  artifactUrl,
  type CarriedArtifact,
  carriedArtifact,
  decodeArtifact,
  encodeArtifact,
  endpointIndexMax,
  messageHandleBytes,
  type SamlArtifact,
  sourceIdOf
} from './saml/artifact.ts'
export { type ArtifactResolve, serialiseArtifactResolve } from './saml/artifact-resolve.ts'
export { type ArtifactResponse, serialiseArtifactResponse } from './saml/artifact-response.ts'
export {
  type Assertion,
  type AssertionAttribute,
  type AuthnStatement,
  type Conditions,
  type SubjectConfirmation,
  encryptAssertion,
  serialiseAssertion
} from './saml/assertion.ts'
export { type AuthnRequest, type NameIDPolicy, type RequestedAuthnContext, serialiseAuthnRequest } from './saml/authn-request.ts'
export { describeReceived, type MessageDescription, redact } from './saml/describe.ts'
export { type LogoutRequest, serialiseLogoutRequest } from './saml/logout-request.ts'
export { type LogoutResponse, serialiseLogoutResponse } from './saml/logout-response.ts'
export { instantText, type MessageHeader, signMessage } from './saml/message.ts'
export {
  type Endpoint,
  type EntityDescriptor,
  type IDPRole,
  type IndexedEndpoint,
  isSignedMetadata,
  type KeyDescriptor,
  lifetimeOf,
  parseMetadata,
  type RequestedAttribute,
  type SPRole,
  serialiseMetadata,
  type UIInfo,
  verifyMetadata
} from './saml/metadata.ts'
export { cacheDurationMs, type Lifetime } from './saml/metadata-lifetime.ts'
export { type NameID, sameNameId } from './saml/name-id.ts'
export { type Binding, bearerMethod, bindingFromUri, bindingUri, logoutReason, nameIdFormat, relayStateBytesMax, sessionIndexesMax } from './saml/names.ts'
export { decodePost, encodePost } from './saml/post-binding.ts'
export type { MessageKind, Received } from './saml/received.ts'
export { decodeRedirect, encodeRedirect, redirectOctets, type RedirectMessage, redirectQueryBytesMax, redirectUrl } from './saml/redirect-binding.ts'
export { type Response, serialiseResponse } from './saml/response.ts'
export { decodeSoap, encodeSoap, soapAction, soapFault } from './saml/soap-binding.ts'
export { type Status, status, statusUri } from './saml/status.ts'
export {
  messageAgeSecondsMax,
  type ResponseContext,
  replayEntry,
  skewSecondsDefault,
  type ValidationContext,
  validateArtifactResolve,
  validateAuthnRequest,
  validateLogoutRequest,
  validateLogoutResponse,
  validateResponse
} from './saml/validate.ts'
export {
  openArtifactResponse,
  type PeerKeys,
  type Proof,
  proofOf,
  type Verified,
  verifyArtifactResolve,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from './saml/verify.ts'
export { securityEvents } from './set/events.ts'
export { type SecurityEventToken, type SecurityEventTokenParts, signSecurityEventToken, verifySecurityEventToken } from './set/security-event-token.ts'
export { type ComplexSubject, parseSubject, type SimpleSubject, type SubjectIdentifier } from './set/subject.ts'
export { canonicalise } from './xml/canonical.ts'
export { attribute, childElements, is, text, type XmlAttribute, type XmlDocument, type XmlElement, type XmlNamespace } from './xml/element.ts'
export { messageLimits, metadataLimits, type XmlLimits } from './xml/limits.ts'
export { parseXml } from './xml/reader.ts'
export { type CanonicalXml, type Namespaces, node, write, writeAround, type XmlNode } from './xml/writer.ts'
export { type ContentAlgorithm, contentAlgorithmOf, type KeyTransport, offeredEncryptionMethods } from './xmlenc/algorithms.ts'
export { createSeal, type Seal } from './xmlenc/encrypt.ts'
export { type Decryption, type DecryptionKey, decryptionKeysMax, type EncryptionTarget, makeDecryptionKey, requireEncryptionKey } from './xmlenc/keys.ts'
