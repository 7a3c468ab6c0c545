import type { Server } from 'node:http'
import type { GuardEvent, OpenTokenEvent, RelyingPartyEvent } from '@curfew/sdk'
import type { Journal } from './journal.ts'
import type { Fault } from './legacy/fault.ts'
import type { SignInFault } from './legacy/sign-in-fault.ts'

interface CommonOptions {
  /** Address as browsers see it, for example `http://payroll.localhost:4610`. */
  readonly baseUrl: string
  readonly port: number
  readonly journal: Journal
}

/** What a SAML application of the demo is started with. */
export interface ApplicationOptions extends CommonOptions {
  readonly identityProviderMetadata: Uint8Array
  readonly keyPem: string
  readonly certificatePem: string
}

/** The same for an OpenID client. */
export interface ClientOptions extends CommonOptions {
  readonly issuer: string
  readonly clientSecret: string
}

/** What the authority has to know of an application. */
export type DemoConnection =
  | { readonly protocol: 'saml'; readonly metadata: string }
  | {
      readonly protocol: 'oidc'
      readonly clientSecret: string
      readonly redirectUris: readonly string[]
      readonly postLogoutRedirectUris: readonly string[]
      readonly refreshTokens?: boolean
      readonly logout: {
        readonly modes: readonly string[]
        readonly backChannelUri?: string
        readonly frontChannelUris?: readonly string[]
        readonly trackSessions?: boolean
      }
    }
  | {
      readonly protocol: 'opentoken'
      readonly password: string
      readonly transport: 'query'
      readonly targetUrl: string
      readonly logoutService: string
      readonly confirmation: 'answer'
      readonly attributes: Readonly<Record<string, string>>
    }

/** A running demo application. */
export interface Application {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly note: string
  readonly connection: DemoConnection
  readonly journal: Journal
  readonly servers: readonly Server[]
  /** It has no session of its own and keeps access after a sign-out. */
  readonly keepsAccess?: true
  /** How it can be made to misbehave; absent: in no way. */
  readonly faults?: readonly Fault[]
  setFault?(fault: Fault): void
  /** The same of sign-ins. */
  readonly signInFaults?: readonly SignInFault[]
  setSignInFault?(fault: SignInFault): void
}

/** Writes what the guard did into the journal of the application. */
export function journalEvent(journal: Journal, event: GuardEvent, atMs: number): void {
  switch (event.kind) {
    case 'signed-in':
    case 'signed-out': {
      const { nameId, sessionIndex } = event.session
      journal.add({ atMs, event: event.kind, user: nameId.value, ...(sessionIndex === undefined ? {} : { sessionIndex }) })
      return
    }
    case 'logout-finished':
      journal.add({ atMs, event: 'logout-finished', detail: [event.status.code, ...event.status.subcodes].join(' ') })
      return
    case 'refused':
      journal.add({ atMs, event: 'refused', detail: event.code })
  }
}

/** The same for an application by OpenToken. */
export function journalOpenTokenEvent(journal: Journal, event: OpenTokenEvent, atMs: number): void {
  if (event.kind === 'refused') return journal.add({ atMs, event: 'refused', detail: event.code })
  journal.add({ atMs, event: event.kind, user: event.session.nameId.value })
}

/** The same for an OpenID client. */
export function journalClientEvent(journal: Journal, event: RelyingPartyEvent, atMs: number): void {
  if (event.kind === 'refused') return journal.add({ atMs, event: 'refused', detail: event.code })
  const { nameId, sessionIndex } = event.session
  journal.add({ atMs, event: event.kind, user: nameId.value, ...(sessionIndex === undefined ? {} : { sessionIndex }) })
}
