import type { Server } from 'node:http'
import type { GuardEvent } from '@curfew/sdk'
import type { Journal } from './journal.ts'
import type { Fault } from './legacy/fault.ts'

/** What a demo application is started with. */
export interface ApplicationOptions {
  /** Address as browsers see it, for example `http://payroll.localhost:4610`. */
  readonly baseUrl: string
  readonly port: number
  readonly identityProviderMetadata: Uint8Array
  readonly keyPem: string
  readonly certificatePem: string
  readonly journal: Journal
}

/** A running demo application. */
export interface Application {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly note: string
  /** Metadata for the authority. */
  readonly metadata: string
  readonly journal: Journal
  readonly servers: readonly Server[]
  /** Only the application that misbehaves on demand has one. */
  setFault?(fault: Fault): void
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
