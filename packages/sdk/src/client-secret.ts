/** The secret of an OpenID client. A function is asked each time, so that a secret that is rolled needs no restart. */
export type ClientSecret = string | (() => string)

/** RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. */
export function basicCredentials(clientId: string, secret: ClientSecret): { readonly authorization: string } {
  const parts = [clientId, typeof secret === 'string' ? secret : secret()].map(encodeURIComponent)
  return { authorization: `Basic ${Buffer.from(parts.join(':')).toString('base64')}` }
}
