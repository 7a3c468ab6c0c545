import { LRUCache } from 'lru-cache'
import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import { createSenderRoom } from '../sender-room.ts'
import type { WebSession } from '../session/web-session.ts'

/** A request that waits for the sign-in of its sender. */
export interface PreservedRequest {
  readonly origin: string
  readonly path: string
  readonly method: string
  readonly contentType: string
  readonly body: Buffer
  /** Where it came from and what its sender takes ({@link keptHeaders}), as it said so itself; names and values in turns. */
  readonly headers: readonly string[]
  /** Who sent it, as the session said that was over; absent: nobody knows. */
  readonly sender?: Pick<WebSession, 'issuer' | 'subject'>
}

/** Requests that wait, in the memory of this process. */
export interface Preserved {
  /**
   * @param from - who sent it, by address: what is more than the share of one takes the place of its own oldest
   * @returns the name that {@link take} finds it by, once it is bound
   */
  keep(request: PreservedRequest, from: string): string
  /**
   * The sign-in that it waited for made this session: it is sent with no other. False: it is dropped, because somebody else
   * signed in. One that waits elsewhere counts as bound: {@link take} tells.
   */
  bind(name: string, session: Pick<WebSession, 'id' | 'issuer' | 'subject'>): boolean
  /**
   * Once, for the address that it was sent to. Undefined: it is not for this request. `lost`: it waits for a sign-in at another
   * process, or not any more.
   * @param sessionId - of the web session that asks for it
   */
  take(name: string, sessionId: string, at: Pick<PreservedRequest, 'origin' | 'path'>): PreservedRequest | 'lost' | undefined
}

/** Largest body that waits. */
export const preservedBytesMax = 64 * 1024

/**
 * In the place of a name, where nothing waits although its sender may think so: nobody finds a request by it, and whoever
 * comes back from the sign-in is told.
 */
export const notKept = {
  /** A body that is too large, or an address that is too long to send it to after the sign-in. */
  form: 'form-too-large',
  /** An address that is too long to come back to. */
  address: 'address-too-long'
} as const
const allBytesMax = 32 * 1024 * 1024
/** What requests of one address may take of that. */
export const senderBytesMax = 4 * 1024 * 1024
/** As long as a sign-in may take. */
const keptMs = 5 * 60_000
/** Names of those that were sent: they come again with what the browser asks for at the same time. */
const takenMax = 10_000

/** By these an application decides whether a form is one of its own pages: those of the request that waited, not of the one that brings the browser back. */
export const keptHeaders: ReadonlySet<string> = new Set([
  'accept',
  'accept-language',
  'origin',
  'referer',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-fetch-user'
])

/** Of the raw headers of a request, what is kept with it. */
export function headersKept(rawHeaders: readonly string[]): string[] {
  return withNames(rawHeaders, (name) => keptHeaders.has(name))
}

/** Headers whose name the test takes, of names and values in turns. */
export function withNames(headers: readonly string[], isTaken: (lower: string) => boolean): string[] {
  return headers.filter((_, i) => isTaken((headers[i - (i % 2)] ?? '').toLowerCase()))
}

/** Bodies that a form can send; others are kept with `all` only. */
const formTypes: readonly string[] = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']

export function isFormType(contentType: string): boolean {
  return formTypes.includes(contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '')
}

interface Kept {
  readonly request: PreservedRequest
  readonly untilMs: number
  sessionId?: string
}

function bytesOf({ body, headers, path }: PreservedRequest): number {
  return body.length + headers.join('').length + path.length + 1_024
}

export function createPreserved({ clock, random }: { readonly clock: Clock; readonly random: Random }): Preserved {
  const all = createSenderRoom<Kept>({ sizeMax: allBytesMax, senderSizeMax: senderBytesMax, sizeOf: ({ request }) => bytesOf(request) })
  const taken = new LRUCache<string, true>({ max: takenMax })
  return {
    keep(request, from) {
      const name = Buffer.from(random.bytes(16)).toString('base64url')
      all.add(name, { request, untilMs: clock.nowMs() + keptMs }, from)
      return name
    },
    bind(name, { id, issuer, subject }) {
      const found = all.get(name)
      if (found === undefined) return true
      const { sender } = found.request
      const isOfAnother = sender !== undefined && (sender.issuer !== issuer || sender.subject !== subject)
      if (isOfAnother || found.sessionId !== undefined) {
        all.delete(name)
        return false
      }
      found.sessionId = id
      return true
    },
    take(name, sessionId, { origin, path }) {
      const found = all.get(name)
      if (taken.has(name)) return undefined
      if (found?.sessionId === undefined || clock.nowMs() >= found.untilMs) return 'lost'
      if (found.sessionId !== sessionId || found.request.origin !== origin || found.request.path !== path) return undefined
      all.delete(name)
      taken.set(name, true)
      return found.request
    }
  }
}
