import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindingUri, certificateBase64, serialiseMetadata } from '@curfew/codecs'

/** Logout addresses of the identity provider role, for applications that are set up for one product or the other. */
export const logoutPaths = { pingFederate: '/idp/SLO.saml2', pingOne: '/sso/SLO.saml2' } as const

/**
 * Metadata of an authority of the demo, both roles in one document: it is made of the keys before anybody starts, because
 * each side needs the other's.
 */
export function demoMetadata(folder: string, baseUrl: string, logoutPath: string = logoutPaths.pingFederate): Uint8Array {
  const certificates = [certificateBase64(readFileSync(join(folder, 'keys/saml.crt.pem'), 'utf8'))]
  const common = { keys: [{ use: 'signing' as const, certificates }], nameIdFormats: [] }
  const parts = serialiseMetadata({
    id: '_authority',
    entityId: baseUrl,
    idp: {
      ...common,
      wantAuthnRequestsSigned: false,
      singleLogoutServices: [
        { binding: bindingUri('redirect'), location: baseUrl + logoutPath },
        { binding: bindingUri('soap'), location: `${baseUrl}/idp/SLO.ssaml2` }
      ],
      singleSignOnServices: [{ binding: bindingUri('redirect'), location: `${baseUrl}/idp/SSO.saml2` }]
    },
    sp: {
      ...common,
      authnRequestsSigned: true,
      wantAssertionsSigned: true,
      // Its applications are told by the browser, so its own logout is a visit of the browser.
      singleLogoutServices: [{ binding: bindingUri('redirect'), location: `${baseUrl}/sp/SLO.saml2` }],
      assertionConsumerServices: [{ binding: bindingUri('post'), location: `${baseUrl}/sp/ACS.saml2`, index: 0, isDefault: true }]
    }
  })
  return Buffer.from(parts.head + parts.tail)
}

/** Addresses to listen at, as a configuration has them. */
export function listenAt(hosts: readonly string[], port: number): readonly string[] {
  return hosts.map((host) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
}
