/** Products with known ways of their own in SAML. */
export const presetNames = ['adfs', 'entra', 'okta', 'shibboleth', 'simplesamlphp', 'sharepoint'] as const
export type PresetName = (typeof presetNames)[number]

/** One thing that a product does in its own way, and what that sets. */
export interface Deviation {
  readonly settings: Readonly<Record<string, unknown>>
  /** In which role the partner has it; absent: in both. */
  readonly role?: 'application' | 'identityProvider'
  readonly why: string
  /** Where that is written or was seen. */
  readonly source: string
}

/**
 * What presets set. Only documented settings, and each of them can be written into the connection, where it wins. The
 * page `docs/reference/presets.md` is made from this table.
 */
export const presets: Readonly<Record<PresetName, readonly Deviation[]>> = {
  adfs: [
    {
      settings: { outgoingBindings: ['redirect', 'post'], incomingBindings: ['redirect', 'post'] },
      why: 'AD FS takes and sends logout messages by HTTP Redirect and HTTP POST only; there is no SOAP endpoint.',
      source: 'Event text MSIS7084 of AD FS; MS-SAMLPR'
    },
    {
      settings: { algorithm: 'rsa-sha256' },
      why: 'A trust has one signature algorithm, by default RSA with SHA-256; messages signed in another way are refused.',
      source: 'AD FS, Set-AdfsRelyingPartyTrust, SignatureAlgorithm'
    },
    {
      role: 'identityProvider',
      settings: { allowCbc: true },
      why: 'AD FS encrypts assertions with AES-256-CBC. They are read only when the Response is signed, too: set SamlResponseSignature to MessageAndAssertion.',
      source: 'AD FS, Set-AdfsRelyingPartyTrust, SamlResponseSignature; XML Encryption of WIF'
    }
  ],
  entra: [
    {
      settings: { outgoingBindings: ['redirect'] },
      why: 'Entra ID takes logout messages by HTTP Redirect and not by HTTP POST.',
      source: 'Microsoft identity platform, Single Sign-Out SAML Protocol'
    },
    {
      settings: { incomingBindings: ['redirect', 'post'] },
      why: 'Logout comes by HTTP Redirect, sign-in by HTTP POST; nothing comes by SOAP.',
      source: 'Microsoft identity platform, Single Sign-Out SAML Protocol'
    },
    {
      role: 'identityProvider',
      settings: { returnsBrowser: false },
      why: 'Its LogoutResponse is not signed, or does not come at all: nothing can be confirmed by it, so it comes last and is shown as unconfirmed, or as timed out where the browser stays there.',
      source: 'Reports to python3-saml, BookStack and the Azure documentation'
    },
    {
      role: 'identityProvider',
      settings: { allowCbc: true },
      why: 'Token encryption uses AES-256-CBC. It is read only when the response is signed: choose "Sign SAML response and assertion".',
      source: 'Microsoft Entra, Configure SAML token encryption'
    }
  ],
  okta: [
    {
      settings: { outgoingBindings: ['post', 'redirect'], incomingBindings: ['redirect', 'post'] },
      why: 'Okta wants the LogoutRequest as a signed POST and answers by POST; there is no SOAP endpoint.',
      source: 'Okta help, Configure Single Logout in app integrations'
    },
    {
      role: 'identityProvider',
      settings: { allowCbc: true },
      why: 'Encrypted assertions use AES-256-CBC unless the application chooses AES-GCM; the response is signed by default.',
      source: 'Okta help, SAML app settings, Encryption Algorithm'
    }
  ],
  shibboleth: [
    {
      settings: { outgoingBindings: ['soap', 'redirect', 'post'] },
      why: 'The service provider finds sessions without cookies by SOAP, and its page can not be framed because of X-Frame-Options.',
      source: 'Shibboleth SP, SingleLogoutService'
    },
    {
      settings: { frames: false },
      why: 'The page that ends the session forbids framing in the usual installation.',
      source: 'Browser rules for front channels: frame-ancestors and X-Frame-Options at Shibboleth'
    },
    {
      settings: { encryption: { content: 'aes-128-gcm' } },
      why: 'AES-128-GCM is what new installations write and read since version 4.',
      source: 'UK federation, IdP encryption options'
    }
  ],
  simplesamlphp: [
    {
      role: 'application',
      settings: { outgoingBindings: ['redirect', 'post'] },
      why: 'By SOAP the session ends, but an error page comes instead of the answer; the browser gives a proof at the first try.',
      source: 'Seen with SimpleSAMLphp 1.19, docs/interop.md'
    },
    {
      role: 'identityProvider',
      settings: { allowCbc: true },
      why: 'Versions before 2 encrypt with AES-128-CBC. The Response is signed by default (saml20.sign.response).',
      source: 'SimpleSAMLphp, saml20-idp-hosted, sharedkey_algorithm'
    },
    {
      settings: { encryption: { content: 'aes-128-gcm' } },
      why: 'AES-128-GCM is the default of version 2.',
      source: 'SimpleSAMLphp, saml20-sp-remote, sharedkey_algorithm'
    }
  ],
  sharepoint: [
    {
      role: 'application',
      settings: { outgoingBindings: ['redirect'], returnsBrowser: false },
      why: 'SharePoint itself speaks WS-Federation and ignores where to go back to, and so do connectors in front of it: a chain of redirects ends there, so it comes last.',
      source: 'Behaviour of SharePoint and OWA with wreply'
    },
    {
      role: 'application',
      settings: { frames: true },
      why: 'A frame ends the session without holding up the others; the hop is what is left when the frame says nothing.',
      source: 'Behaviour of SharePoint and OWA with wreply'
    }
  ]
}

/** Settings of a preset for a partner in one role; later deviations win over earlier ones. */
export function presetSettings(name: PresetName, role: 'application' | 'identityProvider'): Readonly<Record<string, unknown>> {
  return Object.assign({}, ...presets[name].filter((one) => one.role === undefined || one.role === role).map(({ settings }) => settings)) as Readonly<
    Record<string, unknown>
  >
}

/** Paths that a preset filled, with its name: `connections.0.algorithm`. */
export type PresetOrigins = ReadonlyMap<string, PresetName>

type Parts = Readonly<Record<string, unknown>>

/**
 * Fills what connections leave out with what their presets say. What is written in the connection wins, setting by
 * setting, also inside of sections.
 * @param config - as a person wrote it, before it is checked
 */
export function withPresets(config: unknown): { readonly value: unknown; readonly origins: PresetOrigins } {
  const origins = new Map<string, PresetName>()
  if (!isParts(config)) return { value: config, origins }
  const fillAll = (list: 'connections' | 'identityProviders', role: 'application' | 'identityProvider'): Parts => {
    const all = config[list]
    if (!Array.isArray(all)) return {}
    return { [list]: all.map((one: unknown, i) => filledBy(one, role, `${list}.${i}`, origins)) }
  }
  return { value: { ...config, ...fillAll('connections', 'application'), ...fillAll('identityProviders', 'identityProvider') }, origins }
}

function filledBy(connection: unknown, role: 'application' | 'identityProvider', path: string, origins: Map<string, PresetName>): unknown {
  if (!isParts(connection) || connection['protocol'] !== 'saml') return connection
  const name = presetNames.find((one) => one === connection['preset'])
  if (name === undefined) return connection
  const { outgoingBindings, ...others } = presetSettings(name, role)
  // Endpoints that are written stand in an order that somebody chose.
  const chosen = connection['slo'] === undefined && outgoingBindings !== undefined ? { outgoingBindings, ...others } : others
  return filled(connection, chosen, path, (at) => origins.set(at, name))
}

function filled(own: Parts, preset: Parts, path: string, note: (path: string) => void): Parts {
  const out: Record<string, unknown> = { ...own }
  for (const [key, value] of Object.entries(preset)) {
    const mine = own[key]
    if (isParts(value) && (mine === undefined || isParts(mine))) out[key] = filled(mine ?? {}, value, `${path}.${key}`, note)
    else if (mine === undefined) {
      out[key] = value
      note(`${path}.${key}`)
    }
  }
  return out
}

function isParts(value: unknown): value is Parts {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
