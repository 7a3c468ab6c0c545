import type { Clock } from '../clock.ts'
import { type LdapAddress, LdapFailure, type LdapLink, openLdapLink } from './ldap-link.ts'

export interface LdapPoolOptions extends Omit<LdapAddress, 'url'> {
  readonly clock: Clock
  /** Asked in this order: the next where one can not be reached. */
  readonly urls: readonly string[]
  /** Who looks people up. Absent: nobody in particular. */
  readonly service?: { readonly dn: string; readonly password: string }
  /** Connections at once; more work waits, bounded by number and time. */
  readonly connectionsMax: number
}

/** Connections to one directory, shared by everybody who asks it. */
export interface LdapPool {
  /** Works as the service account. @throws LdapFailure */
  asService<T>(work: (link: LdapLink) => Promise<T>): Promise<T>
  /** Works as whoever `work` binds as. @throws LdapFailure */
  asUser<T>(work: (link: LdapLink) => Promise<T>): Promise<T>
  close(): void
}

/** A connection that lay idle for longer may be dead without anybody knowing. */
const idleMsMax = 60_000
/** Work that waits for a connection. */
const waitingMax = 1_000

interface Held {
  readonly link: LdapLink
  isService: boolean
  usedAtMs: number
}

export function createLdapPool(options: LdapPoolOptions): LdapPool {
  const { clock, connectionsMax, timeoutMs, connectTimeoutMs } = options
  const idle: Held[] = []
  const all = new Set<LdapLink>()
  const waiting: (() => void)[] = []
  let busy = 0
  let isClosed = false

  const place = async (): Promise<void> => {
    if (isClosed) throw new LdapFailure('it is closed')
    if (busy < connectionsMax) {
      busy += 1
      return
    }
    if (waiting.length >= waitingMax) throw new LdapFailure('too much is waiting for it')
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        timer.cancel()
        resolve()
      }
      const timer = clock.after(timeoutMs + connectTimeoutMs, () => {
        waiting.splice(waiting.indexOf(go), 1)
        reject(new LdapFailure('no connection was free in time'))
      })
      waiting.push(go)
    })
  }
  const leave = (): void => {
    const next = waiting.shift()
    if (next !== undefined) next()
    else busy -= 1
  }
  /** A usable connection that lies there; those that are not are closed. */
  const takeIdle = (isService: boolean): Held | undefined => {
    for (const held of idle.splice(0)) {
      if (held.link.isOpen && clock.nowMs() - held.usedAtMs < idleMsMax) idle.push(held)
      else drop(held.link)
    }
    const at = idle.findIndex((held) => held.isService === isService)
    return idle.splice(Math.max(0, at), 1)[0]
  }
  const drop = (link: LdapLink): void => {
    link.close()
    all.delete(link)
  }
  const openOne = async (): Promise<Held> => {
    let failure: unknown
    for (const url of options.urls) {
      try {
        const link = await openLdapLink({ ...options, url }, clock)
        all.add(link)
        return { link, isService: false, usedAtMs: clock.nowMs() }
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }
  const beService = async (held: Held): Promise<void> => {
    const { service } = options
    if (service === undefined || held.isService) return
    if (!(await held.link.bind(service.dn, service.password))) throw new LdapFailure('it does not accept the service account')
    held.isService = true
  }
  const use = async <T>(isService: boolean, work: (link: LdapLink) => Promise<T>): Promise<T> => {
    await place()
    try {
      const known = takeIdle(isService)
      if (known !== undefined) {
        try {
          return await once(known, isService, work)
        } catch (error) {
          // The server may have closed it while it lay idle. An answer of the server is an answer.
          if (known.link.isOpen || !(error instanceof LdapFailure) || error.isLate) throw error
        }
      }
      return await once(await openOne(), isService, work)
    } finally {
      leave()
    }
  }
  const once = async <T>(held: Held, isService: boolean, work: (link: LdapLink) => Promise<T>): Promise<T> => {
    try {
      if (isService) await beService(held)
      else held.isService = false
      return await work(held.link)
    } finally {
      held.usedAtMs = clock.nowMs()
      if (held.link.isOpen && !isClosed) idle.push(held)
      else drop(held.link)
    }
  }
  return {
    asService: (work) => use(true, work),
    asUser: (work) => use(false, work),
    close() {
      isClosed = true
      for (const link of all) link.close()
      all.clear()
    }
  }
}
