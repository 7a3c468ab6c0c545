/** What a token is bound to, by the names that the engine keeps it under. */
export interface TokenBinding {
  /** Thumbprint of a DPoP key. */
  readonly jkt?: string
  /** Thumbprint of a certificate. */
  readonly 'x5t#S256'?: string
}

/**
 * The claim that says what has to be shown together with a token; nothing for a bearer token.
 * @see RFC 7800 section 3.1, RFC 9449 section 6, RFC 8705 section 3
 */
export function confirmationOf({ jkt, 'x5t#S256': thumbprint }: TokenBinding): { readonly cnf?: TokenBinding } {
  if (jkt === undefined && thumbprint === undefined) return {}
  return { cnf: { ...(jkt === undefined ? {} : { jkt }), ...(thumbprint === undefined ? {} : { 'x5t#S256': thumbprint }) } }
}
