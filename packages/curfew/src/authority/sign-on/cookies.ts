import { createHash, createHmac, type KeyObject } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Random } from '../../platform/random.ts'

/** Cookie names of the replaced product: partners and scripts that know them keep working. */
export const sessionCookie = 'PF'
export const persistentCookie = 'PF.PERSISTENT'
/** Ties a form to the browser it was shown in, before anybody is signed in. */
export const formCookie = 'PF.FORM'
/** Lets the browser in which a partner started a logout carry it on although it lost its session cookie. */
export const runCookie = 'PF.RUN'
/** Marks that a lost browser was sent back to its sign-off page once. */
export const resumedCookie = 'PF.RESUMED'

/** Three years, as the replaced product keeps its persistent cookie. */
export const persistentSeconds = 94_608_000
/** How long a browser may carry on a run that a partner started in it. */
const runCookieSeconds = 3600
/** 16 random octets as base64url. */
const sessionValue = /^[\w-]{22}$/
/** 24 random octets as base64url. */
const persistentValue = /^[\w-]{32}$/

export interface CookieSettings {
  /** True where browsers reach the authority by https. */
  readonly isSecure: boolean
}

/** What this browser showed of itself; every field is a hash, the values stay in the browser. */
export interface Browser {
  readonly tokenHash?: string
  readonly persistentTokenHash?: string
  readonly formHash?: string
}

/** SHA-256, base64url: how cookie values are kept in the store. */
export function tokenHash(value: string): string {
  return createHash('sha256').update(value).digest('base64url')
}

/**
 * The session cookie that belongs to a persistent one. It is derived, so a browser that was restarted and lost its
 * session cookie is still the same browser for the session and for an open run.
 * @param key - secret of this authority, used for nothing else
 */
export function sessionValueOf(persistent: string, key: KeyObject): string {
  return createHmac('sha256', key).update(persistent).digest('base64url').slice(0, 22)
}

/** Reads the cookies of a request; values of another shape count as absent. */
export function readBrowser(request: FastifyRequest, key: KeyObject): Browser {
  const persistent = wellFormed(request.cookies[persistentCookie], persistentValue)
  const derived = persistent === undefined ? undefined : sessionValueOf(persistent, key)
  const session = wellFormed(request.cookies[sessionCookie], sessionValue) ?? derived
  const form = wellFormed(request.cookies[formCookie], sessionValue)
  return {
    ...(session === undefined ? {} : { tokenHash: tokenHash(session) }),
    ...(persistent === undefined ? {} : { persistentTokenHash: tokenHash(persistent) }),
    ...(form === undefined ? {} : { formHash: tokenHash(form) })
  }
}

/** New values for a sign-in. */
export interface SessionCookies {
  readonly session: string
  readonly persistent?: string
}

/** Makes the cookie values of a new session: always fresh, whatever the browser sent. */
export function newSessionCookies(random: Random, isPersistent: boolean, key: KeyObject): SessionCookies {
  if (!isPersistent) return { session: base64url(random.bytes(16)) }
  const persistent = base64url(random.bytes(24))
  return { session: sessionValueOf(persistent, key), persistent }
}

export function setSessionCookies(reply: FastifyReply, cookies: SessionCookies, settings: CookieSettings): void {
  reply.setCookie(sessionCookie, cookies.session, base(settings))
  if (cookies.persistent === undefined) reply.clearCookie(persistentCookie, base(settings))
  else reply.setCookie(persistentCookie, cookies.persistent, { ...base(settings), maxAge: persistentSeconds })
}

export function clearSessionCookies(reply: FastifyReply, settings: CookieSettings): void {
  reply.clearCookie(sessionCookie, base(settings))
  reply.clearCookie(persistentCookie, base(settings))
}

/** The hash that binds a form; sets the cookie where the browser has none. */
export function formBinding(browser: Browser, reply: FastifyReply, random: Random, settings: CookieSettings): string {
  if (browser.formHash !== undefined) return browser.formHash
  const value = base64url(random.bytes(16))
  reply.setCookie(formCookie, value, base(settings))
  return tokenHash(value)
}

/** @param value - sealed by the caller; sent only to the pages of this run */
export function setRunCookie(reply: FastifyReply, runId: string, value: string, settings: CookieSettings): void {
  reply.setCookie(runCookie, value, { ...base(settings), path: `/signoff/${runId}`, maxAge: runCookieSeconds })
}

export function setResumedCookie(reply: FastifyReply, runId: string, settings: CookieSettings): void {
  reply.setCookie(resumedCookie, runId, { ...base(settings), maxAge: runCookieSeconds })
}

function base(settings: CookieSettings): { path: string; httpOnly: true; secure: boolean; sameSite: 'lax' } {
  return { path: '/', httpOnly: true, secure: settings.isSecure, sameSite: 'lax' }
}

function wellFormed(value: string | undefined, shape: RegExp): string | undefined {
  return value !== undefined && shape.test(value) ? value : undefined
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
