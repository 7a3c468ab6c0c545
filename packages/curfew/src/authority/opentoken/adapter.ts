import { agentConfigDefaults, type OpenTokenKey, openTokenKey, type OpenTokenSuiteId } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { LogoutChannel, Peer } from '../../core/peer.ts'
import type { AccountLinking } from '../upstream/account-link.ts'
import type { AdapterSettings, ApplicationSettings, LoginSettings, OpenTokenCipherSuite, OpenTokenTransport } from './settings.ts'

/** The side of this server on which an adapter stands, as in the paths of the replaced product. */
export type AdapterRole = 'idp' | 'sp'

interface Adapter {
  readonly id: PeerId
  readonly name: string
  readonly key: OpenTokenKey
  readonly transport: OpenTokenTransport
  readonly tokenName: string
  readonly tokenSeconds: number
  readonly sessionSeconds: number
  readonly notBeforeToleranceSeconds: number
  readonly cookie: TransportCookie
  readonly logoutService?: string
  readonly resumeNames: readonly string[]
  readonly confirmation: 'return' | 'answer'
  readonly reference?: { readonly username: string; readonly password: string }
  /** Attribute of the token to attribute of the user. */
  readonly attributes: Readonly<Record<string, string>>
  /** Origins of the application: its pages may start a logout. */
  readonly origins: readonly string[]
  /** What planning and pages see. */
  readonly peer: Peer
}

/** As a `Set-Cookie` header spells it. */
const sameSiteOf = { lax: 'Lax', strict: 'Strict', none: 'None' } as const

export interface TransportCookie {
  readonly domain?: string
  readonly path: string
  readonly isSecure: boolean
  readonly isHttpOnly: boolean
  readonly sameSite: 'Lax' | 'Strict' | 'None'
}

/** An SP adapter instance, ready to work with. */
export interface ApplicationAdapter extends Adapter {
  readonly role: 'sp'
  readonly targetUrl: string
  readonly homeUrl?: string
  readonly subject?: string
  /** Where the application says which account there belongs to somebody, once; its answer is the subject from then on. */
  readonly accountLinkService?: string
  /** Query parameter in which the application gets the subject beside the token. */
  readonly subjectParameter?: string
}

/** An IdP adapter instance, ready to work with. */
export interface LoginAdapter extends Adapter {
  readonly role: 'idp'
  readonly authenticationService: string
  readonly accountLinking: AccountLinking
}

export type OpenTokenAdapter = ApplicationAdapter | LoginAdapter

export const suiteOf: Readonly<Record<OpenTokenCipherSuite, OpenTokenSuiteId>> = { 'aes-256': 1, 'aes-128': 2, '3des': 3 }

export function makeApplicationAdapter(settings: ApplicationSettings): ApplicationAdapter {
  const { targetUrl, homeUrl, subject, accountLinkService, subjectParameter } = settings
  const own = [targetUrl, homeUrl, accountLinkService].filter((url) => url !== undefined)
  return {
    ...makeAdapter(settings, settings.transport ?? 'form', [...own, ...(settings.origins ?? [])], 'application'),
    role: 'sp',
    targetUrl,
    ...(homeUrl === undefined ? {} : { homeUrl }),
    ...(subject === undefined ? {} : { subject }),
    ...(accountLinkService === undefined ? {} : { accountLinkService }),
    ...(subjectParameter === undefined ? {} : { subjectParameter })
  }
}

export function makeLoginAdapter(settings: LoginSettings): LoginAdapter {
  const { authenticationService, accountLinking = 'off' } = settings
  return {
    ...makeAdapter(settings, settings.transport ?? 'query', [authenticationService], 'upstream'),
    role: 'idp',
    authenticationService,
    accountLinking
  }
}

function makeAdapter(settings: AdapterSettings, transport: OpenTokenTransport, addresses: readonly string[], role: Peer['role']): Adapter {
  const { id, logoutService, reference, resumeParameter = 'both', cookie = {} } = settings
  const urls = [...addresses, ...(logoutService === undefined ? [] : [logoutService])]
  const shown = {
    name: settings.name ?? id,
    ...(settings.logoUrl === undefined ? {} : { logoUrl: settings.logoUrl }),
    ...(settings.homeUrl === undefined ? {} : { homeUrl: settings.homeUrl })
  }
  return {
    id,
    name: shown.name,
    key: openTokenKey(suiteOf[settings.cipherSuite ?? 'aes-128'], settings.password),
    transport,
    tokenName: settings.tokenName ?? agentConfigDefaults.tokenName,
    tokenSeconds: settings.tokenSeconds ?? agentConfigDefaults.tokenSeconds,
    sessionSeconds: settings.sessionSeconds ?? agentConfigDefaults.renewUntilSeconds,
    notBeforeToleranceSeconds: settings.notBeforeToleranceSeconds ?? agentConfigDefaults.notBeforeToleranceSeconds,
    cookie: {
      path: cookie.path ?? agentConfigDefaults.cookiePath,
      isSecure: cookie.secure ?? true,
      isHttpOnly: cookie.httpOnly ?? true,
      sameSite: sameSiteOf[cookie.sameSite ?? 'lax'],
      ...(cookie.domain === undefined ? {} : { domain: cookie.domain })
    },
    resumeNames: resumeParameter === 'both' ? ['resumePath', 'resume'] : [resumeParameter],
    confirmation: settings.confirmation ?? 'return',
    attributes: settings.attributes ?? {},
    origins: [...new Set(urls.map((url) => new URL(url).origin))],
    peer: {
      id,
      ...shown,
      protocol: 'opentoken',
      role,
      entityId: id,
      channels: logoutService === undefined ? [] : [logoutChannel(transport, logoutService)],
      mayBeAsked: true,
      returnsBrowser: true,
      landing: { urls, domains: settings.domains ?? [] }
    },
    ...(logoutService === undefined ? {} : { logoutService }),
    ...(reference === undefined ? {} : { reference })
  }
}

function logoutChannel(transport: OpenTokenTransport, url: string): LogoutChannel {
  return { kind: 'hop', binding: transport === 'form' ? 'post' : 'redirect', url }
}
