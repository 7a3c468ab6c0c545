/** Whether the system calls an error so that comes of certificates, or of two sides that find no common TLS. */
export function isTlsCode(code: string): boolean {
  return /^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_SSL|EPROTO)/.test(code)
}
