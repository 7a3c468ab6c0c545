import {
  createRevocationList,
  CurfewError,
  type FeedClock,
  type FeedReader,
  type NameID,
  type RevocationList,
  revocationFingerprint,
  startFeedReader
} from '@curfew/codecs'
import { applicationFeed, type StreamFetch } from './application-feed.ts'
import { basicCredentials, type ClientSecret } from './client-secret.ts'
import { createHeldConnections, type HeldConnections } from './held-connections.ts'
import type { MutualTls } from './mutual-tls.ts'
import { createProviderSource, type Fetch, type ProviderSource } from './openid-provider.ts'
import { orAborted } from './or-aborted.ts'
import { type Guard, issuerSkewMs } from './guard.ts'
import { requireAddress } from './require-address.ts'
import { protectedGuard, type SiteData } from './protected-guard.ts'
import type { AppSession, SessionRegistry } from './session-registry.ts'
import { watchedRegistry } from './watched-registry.ts'

/** The authority's revocation feed, and the OpenID client that may read it (`revocationFeed: true`). */
export type FeedOptions = FeedSettings & FeedClient

/** How the client proves itself: by its secret, or by its certificate, which opens the feed as well. */
export type FeedClient =
  | {
      readonly clientSecret: ClientSecret
      /** Opens the feed. The `fetch` of Node fits. */
      readonly open: StreamFetch
      readonly mutualTls?: never
    }
  | { readonly mutualTls: MutualTls; readonly clientSecret?: never; readonly open?: never }

/** Where the feed is, and how long what it says counts. */
export interface FeedSettings {
  /** Issuer of the authority: the address its configuration is found at, and who signs the feed. */
  readonly issuer: string
  readonly clientId: string
  /** Reads configuration and keys. The `fetch` of Node fits. */
  readonly fetch: Fetch
  /** Milliseconds since some moment in the past, which the date of the machine does not move: how old the list is goes by it as well. */
  readonly steadyMs: () => number
  /** What is known counts for so long, in milliseconds. Default: {@link staleMsDefault}. */
  readonly staleMs?: number
  /** What happens then to sessions that the feed speaks of: `refuse` (default) answers 503, `allow` lets them go on. */
  readonly whenUnknown?: 'refuse' | 'allow'
}

/** What {@link createSessionGuard} is made of. */
export interface SessionGuardOptions {
  /** Where the application keeps its sessions. Give {@link SessionGuard.sessions} to whatever signs people in. */
  readonly sessions: SessionRegistry
  /** Absent: sessions end by the receivers of the application and by {@link SessionGuard.end} only. */
  readonly feed?: FeedOptions
  /** What a browser throws away when it learns that its session is over; empty: nothing. Default: cache and storage. */
  readonly clearSiteData?: readonly SiteData[]
  /** Milliseconds since the epoch, as `now` of the `Date` of JavaScript gives them. */
  readonly nowMs: () => number
  /** That of `node:crypto`. */
  readonly randomBytes: (count: number) => Uint8Array
  /** Calls `act` once, later. Default: a timer of Node that keeps no process alive. */
  readonly after?: FeedClock['after']
  readonly onEvent?: (event: SessionGuardEvent) => void
}

/** The application's journal of the guard. */
export type SessionGuardEvent =
  /** A session was over by the feed, as one that is older than the list remembers, or by a call of {@link SessionGuard.end}. What receivers end, they tell themselves. */
  | { readonly kind: 'signed-out'; readonly session: AppSession; readonly by: 'feed' | 'call' }
  | { readonly kind: 'feed-problem'; readonly code: string; readonly error: Error }
  /** Closing a connection, or the registry, threw. */
  | { readonly kind: 'failed'; readonly error: unknown }

/** Which sessions to end. */
export type EndedSessions =
  /** All that came out of one session at the authority (`pi.sri`). */
  | { readonly by: 'sri'; readonly sri: string }
  /** One session of an OpenID provider. */
  | { readonly by: 'sid'; readonly issuer: string; readonly sid: string }
  /** What a LogoutRequest names: no indexes means every session of this name. */
  | { readonly by: 'name-id'; readonly identityProvider: string; readonly nameId: NameID; readonly sessionIndexes: readonly string[] }
  /** Every session of one user: `sub` of an OpenID provider, or the value of a NameID, whatever its format. */
  | { readonly by: 'user'; readonly identityProvider: string; readonly user: string }

/** How well the guard knows what ended. */
export interface GuardStatus {
  /** `off` without a feed; `unknown` before the first whole reading and when that is too old. */
  readonly feed: 'off' | 'known' | 'unknown'
  /** When everything on the list was known for the last time. */
  readonly completeAtMs?: number
  readonly revoked: number
  readonly connections: number
}

/** Ends the sessions of one application, whoever says so, and everything open under them. */
export interface SessionGuard extends AsyncDisposable {
  /** The registry for service provider, relying party or adapter: what ends there closes connections, too. */
  readonly sessions: SessionRegistry
  /** Puts this guard in front of one that signs people in. */
  protect(guard: Guard): Guard
  /** Ends sessions of this application; returns those that were live. Nobody else is told. */
  end(whom: EndedSessions): Promise<readonly AppSession[]>
  /**
   * Keeps a connection as long as its session. Closed at once when the session ended meanwhile.
   * @returns what forgets the connection; call it when it closed by itself
   */
  hold(session: AppSession, close: Parameters<HeldConnections['hold']>[1]): () => void
  /** How well it knows what ended, now. */
  status(): GuardStatus
  /**
   * Resolves when the feed was read whole for the first time, at once without a feed. Rejects with an `AbortError` where
   * {@link SessionGuard.stop} comes before that: whoever waits must not go on as if the list were known.
   */
  ready(): Promise<void>
  /** Ends the reading of the feed. Sessions and connections stay as they are. */
  stop(): Promise<void>
}

/** For how long, in milliseconds, what is known of the feed counts where the application says nothing. */
export const staleMsDefault = 10_000
/** How often connections that outlived their session are looked for. */
const sweepMs = 1_000
/** After so many looks the registry is asked, too: another process may have ended a session that the feed does not speak of. */
const sweepsPerQuestion = 5
/** Sessions that the registry is asked for at once. */
const askedAtOnceMax = 16
/** How often a process wakes up for nothing while it waits for the first reading. */
const stayMs = 60_000
/** How soon the keys of the authority are read again after the last time: pages come by its own TLS, so that no stranger makes us busy. */
const feedKeysAgainMs = 5_000
/** How long an end by hand keeps out what was signed in before it. */
const tombstoneMs = 15 * 60_000

/**
 * Starts a guard; it reads the feed until {@link SessionGuard.stop}.
 * @throws TypeError for a feed without an issuer, or without anything that proves the client
 */
export function createSessionGuard(options: SessionGuardOptions): SessionGuard {
  const guard = new FeedGuard(options)
  return {
    sessions: guard.sessions,
    protect: (inner) => protectedGuard(inner, { ...options, sessions: guard.sessions, isUnknown: (session) => guard.isUnknown(session) }),
    end: (whom) => guard.end(whom),
    hold: (session, close) => guard.hold(session, close),
    status: () => guard.status(),
    ready: () => guard.whenReady(),
    stop: () => guard.stop(),
    [Symbol.asyncDispose]: () => guard.stop()
  }
}

class FeedGuard {
  readonly sessions: SessionRegistry
  readonly #ready = Promise.withResolvers<void>()
  readonly #options: SessionGuardOptions
  readonly #clock: FeedClock
  readonly #held: HeldConnections
  readonly #list: RevocationList
  readonly #reader: FeedReader | undefined
  readonly #stopping = new AbortController()
  #sweep: { cancel(): void } | undefined
  #isAsking = false

  constructor(options: SessionGuardOptions) {
    this.#options = options
    this.#clock = { nowMs: options.nowMs, after: options.after ?? nodeTimer }
    this.#held = createHeldConnections((error) => this.#tell({ kind: 'failed', error }))
    this.#list = createRevocationList((fingerprint) => void this.#held.closeListed(fingerprint), options.feed?.steadyMs ?? options.nowMs)
    this.sessions = watchedRegistry(options.sessions, {
      isRevoked: (session) => session.sri !== undefined && (this.#isListed(session.sri) || this.#isOutlived(session)),
      isListed: (sri) => this.#isListed(sri),
      onEnded: (ids) => void this.#held.closeSessions(ids),
      onRevoked: (session) => this.#tell({ kind: 'signed-out', session, by: 'feed' }),
      nowMs: options.nowMs
    })
    // It may be stopped while nobody waits.
    this.#ready.promise.catch(() => undefined)
    this.#reader = options.feed === undefined ? undefined : this.#follow(options.feed, () => this.#ready.resolve())
    if (this.#reader === undefined) this.#ready.resolve()
    this.#sweepLater(1)
  }

  /** True when nothing is known of a session that the feed would speak of. */
  isUnknown({ sri }: AppSession): boolean {
    const { feed } = this.#options
    return sri !== undefined && feed !== undefined && (feed.whenUnknown ?? 'refuse') === 'refuse' && !this.#isKnown(feed)
  }

  #isListed(sri: string): boolean {
    return this.#list.isRevoked(sri, this.#options.nowMs())
  }

  /** True for a session that is older than the list remembers: that it is not there says nothing, and its user signs in again. */
  #isOutlived({ createdAtMs }: AppSession): boolean {
    const { lifetimeMs } = this.#list
    return lifetimeMs !== undefined && this.#options.nowMs() - createdAtMs >= lifetimeMs
  }

  async end(whom: EndedSessions): Promise<readonly AppSession[]> {
    const ended = await this.#endBy(whom)
    for (const session of ended) this.#tell({ kind: 'signed-out', session, by: 'call' })
    return ended
  }

  hold(session: AppSession, close: Parameters<HeldConnections['hold']>[1]): () => void {
    const forget = this.#held.hold(session, close)
    // Held first, asked then: an end in between finds the connection or is found here, never neither.
    this.sessions.get(session.id, this.#options.nowMs()).then(
      (live) => live ?? this.#held.closeSessions([session.id]),
      (error: unknown) => this.#tell({ kind: 'failed', error })
    )
    return forget
  }

  /** Somebody waits for it: until then the process stays, also where nothing listens yet. */
  async whenReady(): Promise<void> {
    const stay = setInterval(() => undefined, stayMs)
    try {
      await this.#ready.promise
    } finally {
      clearInterval(stay)
    }
  }

  status(): GuardStatus {
    const { feed } = this.#options
    const { completeAtMs } = this.#list
    return {
      feed: feed === undefined ? 'off' : this.#isKnown(feed) ? 'known' : 'unknown',
      revoked: this.#list.size,
      connections: this.#held.count,
      ...(completeAtMs === undefined ? {} : { completeAtMs })
    }
  }

  async stop(): Promise<void> {
    this.#sweep?.cancel()
    const stopped = this.#reader?.stop()
    this.#stopping.abort()
    this.#ready.reject(this.#stopping.signal.reason)
    await stopped
  }

  #isKnown({ staleMs = staleMsDefault }: FeedOptions): boolean {
    const ageMs = this.#list.ageMs(this.#options.nowMs())
    return ageMs !== undefined && ageMs <= staleMs
  }

  #endBy(whom: EndedSessions): Promise<readonly AppSession[]> {
    const nowMs = this.#options.nowMs()
    // A sign-in from before the end carries the time of another clock, which may be ahead.
    const issuedUntilMs = nowMs + issuerSkewMs
    const { sessions } = this
    switch (whom.by) {
      case 'sri': {
        const fingerprint = revocationFingerprint(whom.sri)
        this.#held.closeListed(fingerprint)
        return sessions.endListed([fingerprint], { untilMs: nowMs + tombstoneMs, issuedUntilMs })
      }
      case 'sid':
        return sessions.endBySubject({ identityProvider: whom.issuer, sessionIndexes: [whom.sid], issuedUntilMs }, nowMs + tombstoneMs)
      case 'name-id': {
        const { identityProvider, nameId, sessionIndexes } = whom
        return sessions.endBySubject({ identityProvider, nameId, sessionIndexes, issuedUntilMs }, nowMs + tombstoneMs)
      }
      case 'user': {
        const subject = { identityProvider: whom.identityProvider, nameId: { value: whom.user }, isAnyFormat: true, sessionIndexes: [], issuedUntilMs }
        return sessions.endBySubject(subject, nowMs + tombstoneMs)
      }
    }
  }

  #follow(feed: FeedOptions, onFirst: () => void): FeedReader {
    requireAddress('feed.issuer', feed.issuer)
    // Programs without types leave it out easily.
    if (((feed.mutualTls ?? feed.clientSecret) as unknown) === undefined) throw new TypeError('feed needs clientSecret, or mutualTls')
    const provider = createProviderSource(feed.issuer, feed.fetch)
    const { clientId, mutualTls } = feed
    const isCertified = mutualTls !== undefined
    return startFeedReader({
      clock: this.#clock,
      random: { fraction: () => Buffer.from(this.#options.randomBytes(4)).readUInt32BE() / 2 ** 32 },
      list: this.#list,
      issuer: feed.issuer,
      staleMs: feed.staleMs ?? staleMsDefault,
      open: applicationFeed({
        fetch: isCertified ? mutualTls.open : feed.open,
        credentials: () =>
          isCertified ? { headers: {}, query: { client_id: clientId } } : { headers: basicCredentials(clientId, feed.clientSecret), query: {} },
        async url() {
          const { revocationFeedEndpoint: usual, certified } = await provider.configuration()
          const endpoint = isCertified ? (certified.revocationFeedEndpoint ?? usual) : usual
          if (endpoint === undefined) throw new CurfewError('CURFEW_OIDC_PROVIDER', { why: 'it has no revocation feed' })
          return endpoint
        }
      }),
      keys: (again) => orAborted(keysOf(provider, again ? feed.steadyMs() : undefined), this.#stopping.signal),
      onPage: ({ entries, hasMore }) => {
        this.#endListed(Array.from(entries, ({ fingerprint }) => fingerprint))
        if (!hasMore) onFirst()
      },
      onProblem: (error) => {
        // Where the feed is may have changed with whatever keeps us from it.
        provider.renewConfiguration()
        this.#tell({ kind: 'feed-problem', code: error.code, error })
      }
    })
  }

  /** The list refuses these sessions already; here they leave the registry and are told of. */
  #endListed(fingerprints: readonly string[]): void {
    if (fingerprints.length === 0) return
    this.sessions.endListed(fingerprints).then(
      (ended) => {
        for (const session of ended) this.#tell({ kind: 'signed-out', session, by: 'feed' })
      },
      (error: unknown) => this.#tell({ kind: 'failed', error })
    )
  }

  #sweepLater(count: number): void {
    this.#sweep = this.#clock.after(sweepMs, () => {
      const nowMs = this.#options.nowMs()
      this.#held.expire(nowMs, this.#list.lifetimeMs)
      if (count % sweepsPerQuestion === 0 && !this.#isAsking) void this.#askForHeld(nowMs)
      this.#sweepLater(count + 1)
    })
  }

  /** Closes what is open under sessions that are gone: whoever ended them may have told no one but the registry. */
  async #askForHeld(nowMs: number): Promise<void> {
    this.#isAsking = true
    const ids = this.#held.sessionIds().values()
    const ask = async (): Promise<void> => {
      for (const id of ids) if ((await this.sessions.get(id, nowMs)) === undefined) this.#held.closeSessions([id])
    }
    const asked = await Promise.allSettled(Array.from({ length: askedAtOnceMax }, ask))
    // One word about a registry that does not answer; the next round asks again.
    const failed = asked.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') this.#tell({ kind: 'failed', error: failed.reason })
    this.#isAsking = false
  }

  #tell(event: SessionGuardEvent): void {
    this.#options.onEvent?.(event)
  }
}

type FeedKeys = Awaited<ReturnType<Parameters<typeof startFeedReader>[0]['keys']>>

/** @param againAtMs - the time, where the keys that are known are not enough */
async function keysOf(provider: ProviderSource, againAtMs: number | undefined): Promise<FeedKeys> {
  const fresh = againAtMs === undefined ? undefined : await provider.freshKeys(againAtMs, feedKeysAgainMs)
  return (fresh ?? (await provider.keys())) as FeedKeys
}

const nodeTimer: FeedClock['after'] = (delayMs, act) => {
  const timer = setTimeout(act, delayMs)
  timer.unref()
  return { cancel: () => clearTimeout(timer) }
}
