/** Namespaces, identifiers and prefixes of SAML 2.0. */
export const ns = {
  samlp: 'urn:oasis:names:tc:SAML:2.0:protocol',
  saml: 'urn:oasis:names:tc:SAML:2.0:assertion',
  md: 'urn:oasis:names:tc:SAML:2.0:metadata',
  mdui: 'urn:oasis:names:tc:SAML:metadata:ui',
  ds: 'http://www.w3.org/2000/09/xmldsig#',
  aslo: 'urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo',
  soap: 'http://schemas.xmlsoap.org/soap/envelope/'
} as const

/** Bindings that this package reads and writes. */
export type Binding = 'redirect' | 'post' | 'soap' | 'artifact'

const bindingUris: Readonly<Record<Binding, string>> = {
  redirect: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
  post: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
  soap: 'urn:oasis:names:tc:SAML:2.0:bindings:SOAP',
  artifact: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact'
}

export function bindingUri(binding: Binding): string {
  return bindingUris[binding]
}

/** The binding of an identifier; undefined for one that is not served here. */
export function bindingFromUri(uri: string): Binding | undefined {
  return (Object.keys(bindingUris) as Binding[]).find((binding) => bindingUris[binding] === uri)
}

export const nameIdFormat = {
  persistent: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  transient: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
  emailAddress: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
  unspecified: 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified',
  entity: 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity'
} as const

/** Reasons of a LogoutRequest (Core 3.7.3). */
export const logoutReason = {
  user: 'urn:oasis:names:tc:SAML:2.0:logout:user',
  admin: 'urn:oasis:names:tc:SAML:2.0:logout:admin',
  globalTimeout: 'urn:oasis:names:tc:SAML:2.0:logout:global-timeout',
  spTimeout: 'urn:oasis:names:tc:SAML:2.0:logout:sp-timeout'
} as const

export const bearerMethod = 'urn:oasis:names:tc:SAML:2.0:cm:bearer'
/** Longest value of any identifier or short text read from a message, in characters. */
export const valueCharactersMax = 1024
/** Most SessionIndex elements of one LogoutRequest. */
export const sessionIndexesMax = 256
/** Longest RelayState accepted, in bytes; 80 are sent at most. */
export const relayStateBytesMax = 2048
