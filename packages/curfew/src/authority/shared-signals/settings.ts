import type { PeerId } from '../../core/ids.ts'

/** A transmitter whose events are acted on. */
export interface TransmitterSettings {
  readonly id: string
  readonly issuer: string
  /** What its tokens name as their audience. */
  readonly audience: string
  /** Where its keys are; absent: its own metadata says so. */
  readonly jwksUri?: string | undefined
  /** It pushes to us, with this bearer token. */
  readonly pushToken?: string | undefined
  /** We fetch from it. */
  readonly poll?: { readonly url: string; readonly clientId: string; readonly clientSecret: string } | undefined
  /** Identity provider of ours that this issuer is, for subjects of its own. */
  readonly identityProvider?: PeerId | undefined
  /** Client of ours that is the same party: what came from it does not go back. Default: the client with the same id. */
  readonly client?: PeerId | undefined
}

export interface SharedSignalsSettings {
  readonly transmitters: readonly TransmitterSettings[]
}

/** What a stream calls the user: of this client and in this session, or everywhere by e-mail address. */
export type SignalSubject = 'session' | 'email'
