/** Who has to act on an error, and what the outside may be told. */
export interface CatalogueEntry {
  /** `programmer`: a bug here. `peer`: the message is wrong. `operation`: time, network, store. `config`: settings. */
  readonly kind: 'programmer' | 'peer' | 'operation' | 'config'
  /** HTTP status where the error becomes an answer. */
  readonly http: number
  /** What happened, in one sentence for the reader. Constant per code: safe to show to anybody. */
  readonly title: string
  /** Top-level SAML status where the error is answered in SAML. */
  readonly saml?: 'Requester' | 'Responder' | 'VersionMismatch'
  /** Section of the standard that the rule comes from. */
  readonly spec?: string
}

/** Every error that reading, writing or checking bytes can end in. */
export const codecCatalogue = {
  CURFEW_FEED_GAP: { kind: 'operation', http: 502, title: 'A page of the revocation feed does not continue what is known.' },
  CURFEW_FEED_OTHER_LIST: { kind: 'operation', http: 502, title: 'The revocation list is another one than before.' },
  CURFEW_FEED_REFUSED: { kind: 'operation', http: 502, title: 'The answer is no usable page of the revocation feed.' },
  CURFEW_FEED_SILENT: { kind: 'operation', http: 504, title: 'The revocation feed fell silent.' },
  CURFEW_FEED_STALE: { kind: 'operation', http: 503, title: 'What is known of ended sessions is too old to go by.' },
  CURFEW_FEED_UNREACHABLE: { kind: 'operation', http: 502, title: 'The revocation feed could not be opened.' },
  CURFEW_HTTP_BODY_LIMIT: { kind: 'peer', http: 413, title: 'The body of the request is larger than an application accepts.' },
  CURFEW_JWT_MALFORMED: { kind: 'peer', http: 400, title: 'The text is not a JSON Web Token.' },
  CURFEW_OIDC_CLIENT_CERTIFICATE: { kind: 'config', http: 500, title: 'The certificate by which the client proves itself can not be used.' },
  CURFEW_OIDC_LOGOUT_EVENT: { kind: 'peer', http: 400, title: 'The token is not a logout token.', spec: 'openid-backchannel 2.4' },
  CURFEW_OIDC_PROVIDER: { kind: 'operation', http: 502, title: 'The OpenID provider did not give what was asked for.' },
  CURFEW_OIDC_SESSION_OVER: { kind: 'peer', http: 400, title: 'The sign-in of this token has ended already.' },
  CURFEW_OIDC_STATE: { kind: 'peer', http: 400, title: 'The answer belongs to no sign-in of this browser.' },
  CURFEW_OIDC_TOKEN_ALGORITHM: { kind: 'peer', http: 400, title: 'The token is signed with an algorithm that is not expected.' },
  CURFEW_OIDC_TOKEN_CLAIM: { kind: 'peer', http: 400, title: 'A claim of the token is missing or is not the expected one.' },
  CURFEW_OIDC_TOKEN_EXPIRED: { kind: 'peer', http: 400, title: 'The token is too old.' },
  CURFEW_OIDC_TOKEN_KEY_UNKNOWN: { kind: 'peer', http: 400, title: 'The token is signed with a key that its issuer does not publish.' },
  CURFEW_OIDC_TOKEN_SIGNATURE: { kind: 'peer', http: 400, title: 'The signature of the token is not right.' },
  CURFEW_OIDC_TOKEN_TYPE: { kind: 'peer', http: 400, title: 'The token is of another kind than expected here.' },
  CURFEW_OPENTOKEN_AGENT_CONFIG: { kind: 'config', http: 400, title: 'The agent-config.txt has a key that can not be used.' },
  CURFEW_OPENTOKEN_AGENT_OBFUSCATED: { kind: 'config', http: 400, title: 'The password in the agent-config.txt is obfuscated.' },
  CURFEW_OPENTOKEN_BROWSER_OTHER: { kind: 'peer', http: 400, title: 'Another browser asked for this OpenToken.' },
  CURFEW_OPENTOKEN_EXPIRED: { kind: 'peer', http: 400, title: 'The OpenToken is too old.' },
  CURFEW_OPENTOKEN_INVALID: { kind: 'peer', http: 400, title: 'The text is not an OpenToken of this partner.' },
  CURFEW_OPENTOKEN_KEY: { kind: 'config', http: 500, title: 'An OpenToken key or password can not be used.' },
  CURFEW_OPENTOKEN_SESSION_FOREIGN: { kind: 'peer', http: 400, title: 'The browser holds the session of somebody else.' },
  CURFEW_OPENTOKEN_SUBJECT: { kind: 'peer', http: 400, title: 'The OpenToken does not name exactly one subject.' },
  CURFEW_OPENTOKEN_TEXT: { kind: 'peer', http: 400, title: 'The OpenToken holds text that is not written as it has to be.' },
  CURFEW_OPENTOKEN_TIME: { kind: 'peer', http: 400, title: 'The times of the OpenToken do not allow its use now.' },
  CURFEW_OPENTOKEN_WRITE: { kind: 'programmer', http: 500, title: 'A value can not be written into an OpenToken.' },
  CURFEW_SAML_ALGORITHM_REFUSED: { kind: 'peer', http: 400, title: 'The message is signed with an algorithm that is not accepted.', saml: 'Requester' },
  CURFEW_SAML_ARTIFACT: { kind: 'peer', http: 400, title: 'The artifact is not one of SAML 2.0.', spec: 'saml-bindings 3.6.4' },
  CURFEW_SAML_ARTIFACT_UNRESOLVED: {
    kind: 'peer',
    http: 400,
    title: 'The partner gave no message for its artifact.',
    spec: 'saml-core 3.5.3'
  },
  CURFEW_SAML_ASSERTION_COUNT: {
    kind: 'peer',
    http: 400,
    title: 'A Response must hold exactly one assertion in the place the standard gives it.',
    saml: 'Requester',
    spec: 'saml-core 3.3.3'
  },
  CURFEW_SAML_AUDIENCE_WRONG: { kind: 'peer', http: 400, title: 'The assertion is meant for somebody else.', spec: 'saml-core 2.5.1.4' },
  CURFEW_SAML_BASE64: { kind: 'peer', http: 400, title: 'The message is not well-formed base64.', saml: 'Requester' },
  CURFEW_SAML_BINDING_REFUSED: { kind: 'peer', http: 400, title: 'This connection does not accept messages by this binding.', saml: 'Requester' },
  CURFEW_SAML_BROWSER_OTHER: { kind: 'peer', http: 400, title: 'Another browser asked for this answer.' },
  CURFEW_SAML_CONDITIONS: { kind: 'peer', http: 400, title: 'The conditions of the assertion are not met now.', spec: 'saml-core 2.5.1' },
  CURFEW_SAML_DECRYPTION: { kind: 'peer', http: 400, title: 'The encrypted part of the message can not be read.', saml: 'Requester' },
  CURFEW_SAML_DEFLATE: {
    kind: 'peer',
    http: 400,
    title: 'The message is not one well-formed raw DEFLATE stream.',
    saml: 'Requester',
    spec: 'saml-bindings 3.4.4.1'
  },
  CURFEW_SAML_DEFLATE_LIMIT: { kind: 'peer', http: 413, title: 'The message inflates to more than is accepted.', saml: 'Requester' },
  CURFEW_SAML_DESTINATION_WRONG: { kind: 'peer', http: 400, title: 'The message was meant for another address.', saml: 'Requester', spec: 'saml-core 3.2.1' },
  CURFEW_SAML_ENCRYPTED: { kind: 'peer', http: 400, title: 'Encrypted identifiers and assertions are not accepted on this connection.', saml: 'Requester' },
  CURFEW_SAML_ENCRYPTION_REFUSED: { kind: 'peer', http: 400, title: 'The message is encrypted in a way that is not accepted.', saml: 'Requester' },
  CURFEW_SAML_EXPIRED: { kind: 'peer', http: 400, title: 'The message is too old.', saml: 'Requester', spec: 'saml-core 3.7.1' },
  CURFEW_SAML_IN_RESPONSE_TO: { kind: 'peer', http: 400, title: 'The answer belongs to no open request.', spec: 'saml-core 3.2.2' },
  CURFEW_SAML_ISSUE_INSTANT: { kind: 'peer', http: 400, title: 'The time in the message is too far from the time here.', saml: 'Requester' },
  CURFEW_SAML_ISSUER_WRONG: {
    kind: 'peer',
    http: 400,
    title: 'The message does not come from the partner it was read for.',
    saml: 'Requester',
    spec: 'saml-profiles 4.4.4.1'
  },
  CURFEW_SAML_KEY_TOO_WEAK: { kind: 'config', http: 500, title: 'A key is smaller than is accepted or of a kind that is not used.' },
  CURFEW_SAML_LIMIT: { kind: 'peer', http: 400, title: 'The message repeats an element more often than is accepted.', saml: 'Requester' },
  CURFEW_SAML_METADATA: { kind: 'config', http: 400, title: 'The metadata is not a usable SAML 2.0 entity descriptor.', spec: 'saml-metadata 2.3' },
  CURFEW_SAML_METADATA_EXPIRED: { kind: 'config', http: 503, title: 'The metadata of the partner is past its validUntil.', spec: 'saml-metadata 2.3.2' },
  CURFEW_SAML_QUERY: {
    kind: 'peer',
    http: 400,
    title: 'The query is not one well-formed message by HTTP Redirect.',
    saml: 'Requester',
    spec: 'saml-bindings 3.4.4'
  },
  CURFEW_SAML_REPLAYED: { kind: 'peer', http: 400, title: 'The message was received before.', saml: 'Requester' },
  CURFEW_SAML_RESPONSE_STATUS: { kind: 'peer', http: 400, title: 'The identity provider did not sign the user in.' },
  CURFEW_SAML_SESSION_ENDED: { kind: 'peer', http: 400, title: 'The sign-in of this assertion has ended already.', spec: 'saml-core 3.7.3.1' },
  CURFEW_SAML_SIGNATURE_INVALID: { kind: 'peer', http: 400, title: 'The signature of the message does not fit its content.', saml: 'Requester' },
  CURFEW_SAML_SIGNATURE_MISSING: { kind: 'peer', http: 400, title: 'The message is not signed.', saml: 'Requester', spec: 'saml-profiles 4.4.4.1' },
  CURFEW_SAML_SIGNATURE_SHAPE: { kind: 'peer', http: 400, title: 'The signature is not of the one shape that is accepted.', saml: 'Requester' },
  CURFEW_SAML_SIGNER_UNKNOWN: {
    kind: 'peer',
    http: 400,
    title: 'The message is signed with a key that is not in the metadata of the partner.',
    saml: 'Requester'
  },
  CURFEW_SAML_SOAP: { kind: 'peer', http: 500, title: 'The body is not one SAML message in a SOAP 1.1 envelope.', spec: 'saml-bindings 3.2' },
  CURFEW_SAML_STRUCTURE: { kind: 'peer', http: 400, title: 'The message does not have the structure that the standard gives it.', saml: 'Requester' },
  CURFEW_SAML_SUBJECT_CONFIRMATION: { kind: 'peer', http: 400, title: 'The assertion can not be used here and now.', spec: 'saml-profiles 4.1.4.3' },
  CURFEW_SAML_UNSOLICITED: { kind: 'peer', http: 400, title: 'Nobody asked for this answer.', spec: 'saml-profiles 4.1.5' },
  CURFEW_SAML_VERSION: { kind: 'peer', http: 400, title: 'The message is not SAML 2.0.', saml: 'VersionMismatch' },
  CURFEW_SESSION_LOGOUT_FOREIGN: { kind: 'peer', http: 403, title: 'A sign-out is started from a page of the application itself.' },
  CURFEW_SESSION_REGISTRY_FULL: { kind: 'operation', http: 503, title: 'The application has no room for what it would have to remember.' },
  CURFEW_SET_EVENT: { kind: 'peer', http: 400, title: 'The token does not hold exactly one security event.', spec: 'ssf 4.1' },
  CURFEW_SET_SUBJECT: { kind: 'peer', http: 400, title: 'The subject of the security event can not be used.', spec: 'rfc9493 3' },
  CURFEW_XML_CHARACTER: { kind: 'peer', http: 400, title: 'The document holds a character that is not allowed.', saml: 'Requester' },
  CURFEW_XML_ELEMENT_UNEXPECTED: { kind: 'peer', http: 400, title: 'An element stands where only text is accepted.', saml: 'Requester' },
  CURFEW_XML_FORBIDDEN: { kind: 'peer', http: 400, title: 'The document uses a part of XML that messages never need.', saml: 'Requester' },
  CURFEW_XML_ID: { kind: 'peer', http: 400, title: 'An identifier in the document is not unique or not a name.', saml: 'Requester' },
  CURFEW_XML_LIMIT: { kind: 'peer', http: 400, title: 'The document is larger or deeper than is accepted.', saml: 'Requester' },
  CURFEW_XML_NAMESPACE: { kind: 'peer', http: 400, title: 'A namespace in the document is not declared or not acceptable.', saml: 'Requester' },
  CURFEW_XML_SYNTAX: { kind: 'peer', http: 400, title: 'The document is not well-formed XML.', saml: 'Requester' },
  CURFEW_XML_TEXT_UNEXPECTED: { kind: 'peer', http: 400, title: 'Text stands where only elements are accepted.', saml: 'Requester' },
  CURFEW_XML_UTF8: { kind: 'peer', http: 400, title: 'The document is not UTF-8.', saml: 'Requester' },
  CURFEW_XML_WRITE: { kind: 'programmer', http: 500, title: 'A value can not be written as XML.' }
} as const satisfies Record<`CURFEW_${string}`, CatalogueEntry>

export type CodecCode = keyof typeof codecCatalogue

/** Facts for the administrator and the log; never secrets, tokens or whole identifiers. */
export type ErrorContext = Readonly<Record<string, string | number | boolean>>

/**
 * The one error class of Curfew. Callers switch on `code`; the message is for people. `instanceof` fails between two
 * copies of a package, so {@link isCurfewError} looks at the name and the code.
 */
export class CurfewError<C extends `CURFEW_${string}` = `CURFEW_${string}`> extends Error {
  override readonly name = 'CurfewError'
  readonly code: C
  readonly context: ErrorContext

  constructor(code: C, context: ErrorContext = {}, options: { readonly cause?: unknown; readonly message?: string } = {}) {
    const title = (codecCatalogue as Readonly<Record<string, CatalogueEntry>>)[code]?.title
    const facts = Object.entries(context).map(([key, value]) => `${key} ${String(value)}`)
    super(
      `${options.message ?? title ?? code}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`,
      options.cause === undefined ? undefined : { cause: options.cause }
    )
    this.code = code
    this.context = context
  }
}

/** True for a {@link CurfewError} of any copy of this package. */
export function isCurfewError(error: unknown): error is CurfewError {
  return error instanceof Error && error.name === 'CurfewError' && 'code' in error && typeof error.code === 'string' && error.code.startsWith('CURFEW_')
}
