import { SAML, ValidateInResponseTo } from '@node-saml/node-saml'
import samlify from 'samlify'

/** Key and certificate of the identity provider that the other libraries work with. */
export interface RivalKeys {
  readonly keyPem: string
  readonly certificatePem: string
}

/** Who is who in every message of the measurements. */
export const parties = { issuer: 'https://idp.example', service: 'https://sp.example', consumer: 'https://sp.example/acs' } as const

/** node-saml 5 as a service provider. @param binding - by which it sends its AuthnRequest */
export function nodeSaml({ keyPem, certificatePem }: RivalKeys, binding: 'HTTP-POST' | 'HTTP-Redirect' = 'HTTP-Redirect'): SAML {
  const { issuer, service, consumer } = parties
  return new SAML({
    callbackUrl: consumer,
    entryPoint: `${issuer}/sso`,
    issuer: service,
    idpIssuer: issuer,
    idpCert: certificatePem,
    privateKey: keyPem,
    signatureAlgorithm: 'sha256',
    logoutUrl: `${issuer}/slo`,
    validateInResponseTo: ValidateInResponseTo.never,
    wantAuthnResponseSigned: false,
    audience: service,
    authnRequestBinding: binding
  })
}

/** Both sides of samlify 2. */
export function samlifyParties({ keyPem, certificatePem }: RivalKeys) {
  const { issuer, service, consumer } = parties
  // Its own check of the schema is a package of its own; without one it refuses to read at all.
  samlify.setSchemaValidator({ validate: async () => 'not checked' })
  const bindings = ['HTTP-POST', 'HTTP-Redirect'].map((name) => `urn:oasis:names:tc:SAML:2.0:bindings:${name}`)
  const logoutAt = (base: string) => bindings.map((Binding) => ({ Binding, Location: `${base}/slo` }))
  const post = bindings[0] ?? ''
  const sp = samlify.ServiceProvider({
    entityID: service,
    singleLogoutService: logoutAt(service),
    assertionConsumerService: [{ Binding: post, Location: consumer }],
    wantLogoutRequestSigned: true
  })
  const idp = samlify.IdentityProvider({
    entityID: issuer,
    privateKey: keyPem,
    signingCert: certificatePem,
    isAssertionEncrypted: false,
    requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    singleSignOnService: [{ Binding: post, Location: `${issuer}/sso` }],
    singleLogoutService: logoutAt(issuer),
    wantLogoutRequestSigned: true
  })
  return { sp, idp }
}
