import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, TLSSocket } from 'node:tls'
import { Client, type Entry, type Filter, PasswordPolicyControl, PasswordPolicyError, ResultCodeError } from 'ldapts'
import type { Clock, Timer } from '../clock.ts'
import { passwordModifyOid, type PasswordModify, passwordModifyValue } from './password-modify.ts'
import { serverName } from '../server-name.ts'

/** How one directory is reached. */
export interface LdapAddress {
  /** `ldaps://host[:port]`, or `ldap://host[:port]`. */
  readonly url: string
  /** TLS is begun on the plain connection before anything else is said. */
  readonly startTls: boolean
  /** Certificates in PEM that vouch for the server; absent: those of the system. */
  readonly ca?: string
  readonly connectTimeoutMs: number
  /** For each operation. */
  readonly timeoutMs: number
}

export interface LdapSearch {
  readonly filter: Filter | string
  readonly attributes: readonly string[]
  readonly scope?: 'base' | 'sub'
  readonly entriesMax: number
}

/** What a directory says to a change that it understood and does not make. */
export type Refused = RefusedPassword | 'not-allowed'
/** Why a new password is not taken: by a rule, and by which where the directory says so (draft-behera-ldap-password-policy 6.2). */
export type RefusedPassword = 'policy' | 'too-short' | 'used-before' | 'too-soon'

/** The directory could not be asked, or did not answer as one. */
export class LdapFailure extends Error {
  override readonly name = 'LdapFailure'
  /** Asking again would take as long again. */
  get isLate(): boolean {
    return this.cause === 'timeout'
  }
}

/** One connection. It is made once: when it is lost, so is the link, and no password leaves without TLS that was asked for. */
export interface LdapLink {
  /** Entries below `base`; references to other servers are not followed. @throws LdapFailure */
  search(base: string, search: LdapSearch): Promise<readonly Entry[]>
  /**
   * Whether this is the password of the entry. `must-change`: it is, and it was reset by somebody else. `in-grace`: it is
   * past its time and good for a few more sign-ins. An empty one is never sent.
   * @throws LdapFailure
   */
  bind(dn: string, password: string): Promise<boolean | 'must-change' | 'in-grace'>
  /** @throws LdapFailure */
  modifyPassword(change: PasswordModify): Promise<'set' | Refused>
  readonly isOpen: boolean
  close(): void
}

const resultCodes = {
  referral: 10,
  constraintViolation: 19,
  noSuchObject: 32,
  inappropriateAuthentication: 48,
  invalidCredentials: 49,
  insufficientAccess: 50,
  unwilling: 53
} as const

/**
 * Answers to a bind that speak of this entry and of nothing else: the password is wrong; too many were (19, 389 Directory
 * Server); the account is switched off (53, the same); the entry is gone (32) or has no password (48).
 */
const refusals: ReadonlySet<number> = new Set([
  resultCodes.constraintViolation,
  resultCodes.noSuchObject,
  resultCodes.inappropriateAuthentication,
  resultCodes.invalidCredentials,
  resultCodes.unwilling
])

/** Connects, and begins TLS where that is wanted. @throws LdapFailure */
export async function openLdapLink(address: LdapAddress, clock: Clock): Promise<LdapLink> {
  const { url, startTls, connectTimeoutMs, timeoutMs } = address
  const { hostname } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const security: ConnectionOptions = {
    host,
    minVersion: 'TLSv1.2',
    ...serverName(host),
    ...(address.ca === undefined ? {} : { ca: address.ca })
  }
  const port = Number(new URL(url).port) || (url.startsWith('ldaps:') ? 636 : 389)
  const socket = await connected(clock, connectTimeoutMs, () => (url.startsWith('ldaps:') ? connectTls({ ...security, port }) : connectPlain(port, host)))
  const sockets: Socket[] = [socket]
  let isTaken = false
  /** The library would connect again by itself, and without TLS: it gets this connection and no other. */
  const only = (): Socket => {
    if (isTaken) throw new LdapFailure('the connection was lost')
    isTaken = true
    return socket
  }
  const upgrade = (options: ConnectionOptions): Socket => {
    const secured = connectTls({ ...options, ...security })
    sockets.push(secured)
    return secured
  }
  const client = new Client({
    url,
    timeout: timeoutMs,
    createConnection: only as typeof connectPlain,
    createSecureConnection: ((first: unknown) => (typeof first === 'number' ? only() : upgrade(first as ConnectionOptions))) as typeof connectTls
  })
  const close = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const within = <T>(ms: number, work: () => Promise<T>): Promise<T> => bounded(clock, ms, work, close)
  const link: LdapLink = {
    get isOpen() {
      return client.isConnected && sockets.every(({ destroyed, writable }) => !destroyed && writable)
    },
    async search(base, { filter, attributes, scope = 'sub', entriesMax }) {
      const limits = { sizeLimit: entriesMax, timeLimit: Math.ceil(timeoutMs / 1000) }
      return (await within(timeoutMs, () => client.search(base, { filter, attributes: [...attributes], scope, derefAliases: 'never', ...limits })))
        .searchEntries
    },
    async bind(dn, password) {
      if (dn === '' || password === '') throw new LdapFailure('a name and a password are needed')
      const policy = new PasswordPolicyControl()
      try {
        await within(timeoutMs, () => client.bind(dn, password, policy))
        const { error, graceAuthNsRemaining } = policy.value ?? {}
        if (error === PasswordPolicyError.ChangeAfterReset) return 'must-change'
        return graceAuthNsRemaining === undefined ? true : 'in-grace'
      } catch (error) {
        if (error instanceof LdapFailure && error.cause instanceof ResultCodeError && refusals.has(error.cause.code)) return false
        throw error
      }
    },
    async modifyPassword(change) {
      const policy = new PasswordPolicyControl()
      try {
        await within(timeoutMs, () => client.exop(passwordModifyOid, passwordModifyValue(change), policy))
        return 'set'
      } catch (error) {
        const code = error instanceof LdapFailure && error.cause instanceof ResultCodeError ? error.cause.code : undefined
        if (code === resultCodes.constraintViolation) return rules.get(policy.value?.error) ?? 'policy'
        if (code === resultCodes.insufficientAccess || code === resultCodes.unwilling) return 'not-allowed'
        throw error
      }
    },
    close
  }
  if (startTls) await within(connectTimeoutMs, () => client.startTLS({ ...security }))
  return link
}

const rules: ReadonlyMap<number | undefined, RefusedPassword> = new Map([
  [PasswordPolicyError.PasswordTooShort, 'too-short'],
  [PasswordPolicyError.PasswordInHistory, 'used-before'],
  [PasswordPolicyError.PasswordTooYoung, 'too-soon']
])

/** A connection that stands, with TLS where that begins at once. @throws LdapFailure */
function connected(clock: Clock, ms: number, open: () => Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = open()
    const fail = (why: string, cause: unknown): void => {
      timer.cancel()
      socket.destroy()
      reject(new LdapFailure(why, { cause }))
    }
    const timer = clock.after(ms, () => fail('no connection in time', 'timeout'))
    socket.once('error', (error) => fail(reasonOf(error), error))
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      timer.cancel()
      // Until the library listens itself, and after it has stopped, a broken connection is only that.
      socket.removeAllListeners('error').on('error', () => undefined)
      resolve(socket)
    })
  })
}

/** Runs one operation until its time; what takes longer, or fails, loses the connection. An answer is no failure. */
async function bounded<T>(clock: Clock, ms: number, work: () => Promise<T>, close: () => void): Promise<T> {
  const late = new LdapFailure('no answer in time', { cause: 'timeout' })
  let timer: Timer | undefined
  // The library has a timer of its own for most of it; this one covers the rest and comes later.
  const limit = new Promise<never>((_, reject) => {
    timer = clock.after(ms + graceMs, () => reject(late))
  })
  try {
    return await Promise.race([work(), limit])
  } catch (cause) {
    if (!(cause instanceof ResultCodeError)) close()
    throw cause === late ? late : new LdapFailure(reasonOf(cause), { cause })
  } finally {
    timer?.cancel()
  }
}

const graceMs = 250

function reasonOf(cause: unknown): string {
  if (cause instanceof ResultCodeError) return cause.code === resultCodes.referral ? 'it refers to another server, which is not followed' : cause.message
  if (!(cause instanceof Error)) return 'it failed'
  const { code } = cause as NodeJS.ErrnoException
  return code === undefined ? cause.message : `${cause.message} (${code})`
}
