import { z } from 'zod'
import { hostPort, path, url } from './values.ts'

/** `server.tls`. */
export const tls = z
  .strictObject({ key: path, certificate: path.describe('The certificate, and those between it and its root.') })
  .describe('PEM files. Absent: plain HTTP, behind something that ends TLS. Changed files are taken over without a restart.')

const isOrigin = (text: string): boolean => URL.parse(text)?.origin === text

/** `server.clientCertificates`. */
export const clientCertificates = z
  .strictObject({
    listen: z
      .array(hostPort)
      .default([])
      .describe('Addresses of their own, with server.tls, where a certificate is asked for. Browsers stay at server.listen.'),
    baseUrl: url
      .startsWith('https:', 'write an https address')
      .refine(isOrigin, { error: 'write an origin only, such as https://mtls.example.com' })
      .optional()
      .describe('Origin of those addresses as clients reach them; discovery names it (mtls_endpoint_aliases).'),
    authorities: path
      .optional()
      .describe('PEM file with the certificates that sign those of clients. Each is an end of the way: list one between, too. Needed for tlsClientAuth.'),
    header: z
      .strictObject({
        name: z
          .string()
          .regex(/^[A-Za-z0-9-]{1,64}$/, 'write the name of a header')
          .describe('Name of the header.'),
        format: z.enum(['pem', 'rfc9440']).describe('pem: URL-encoded, as $ssl_client_escaped_cert of nginx. rfc9440: as Client-Cert of RFC 9440.')
      })
      .optional()
      .describe('A proxy in server.trustedProxies ends TLS and hands the certificate on. From any other address the header is dropped.')
  })
  .describe('Certificates by which OpenID clients prove who they are (RFC 8705).')

/** Which certificate a client has. */
export const certificateSubject = z
  .strictObject({
    kind: z
      .enum(['dn', 'dns', 'uri', 'ip', 'email'])
      .describe('dn: the whole subject as in RFC 4514 (openssl x509 -subject -nameopt RFC2253). The others: one subject alternative name.'),
    value: z.string().min(1).max(2_048)
  })
  .describe('Which certificate it has; with tlsClientAuth.')
