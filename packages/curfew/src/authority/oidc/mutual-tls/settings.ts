/** Which certificate a client has: by its whole subject, or by one name beside it (RFC 8705 section 2.1.2). */
export interface CertificateSubject {
  readonly kind: 'dn' | 'dns' | 'uri' | 'ip' | 'email'
  readonly value: string
}

/** How a proxy that ends TLS hands on the certificate of a client. */
export interface CertificateHeader {
  /** In lower case. */
  readonly name: string
  /** `pem`: a PEM text, URL-encoded. `rfc9440`: a byte sequence between colons. */
  readonly format: 'pem' | 'rfc9440'
}
