import { createHash, createHmac, type KeyObject } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Ids } from '../../platform/ids.ts'
import type { Language } from '../pages/messages.ts'

/** Cookie names of the replaced product: partners and scripts that know them keep working. */
export const sessionCookie = 'PF'
export const persistentCookie = 'PF.PERSISTENT'
/** Ties a form to the browser it was shown in, before anybody is signed in. */
export const formCookie = 'PF.FORM'
/** Marks that a lost browser was sent back to its sign-off page once. */
export const resumedCookie = 'PF.RESUMED'

/** The identity provider that was chosen in this browser last. */
export const providerCookie = 'PF.PROVIDER'

/** The language that was chosen in this browser last, by a link below a page. */
export const languageCookie = 'PF.LANGUAGE'

/** Three years, as the replaced product keeps its persistent cookie. */
export const persistentSeconds = 94_608_000
/** How long a browser is not sent back to the same run again. */
const resumedSeconds = 3600
/** How long a chosen identity provider is offered first. */
const providerSeconds = 365 * 86_400
const languageSeconds = 365 * 86_400
/** As `ids.cookie()` makes it. */
const sessionValue = /^[\w-]{22}$/
/** As `ids.persistentCookie()` makes it. */
const persistentValue = /^[\w-]{32}$/

export interface CookieSettings {
  /** True where browsers reach the authority by https. */
  readonly isSecure: boolean
}

/** What this browser showed of itself; every field is a hash, the values stay in the browser. */
export interface Browser {
  readonly tokenHash?: string
  /** The session cookie was sent itself; otherwise `tokenHash` is derived from the persistent one. */
  readonly hasSessionCookie: boolean
  readonly persistentTokenHash?: string
  readonly formHash?: string
}

/** SHA-256, base64url: how cookie values are kept in the store. */
export function tokenHash(value: string): string {
  return createHash('sha256').update(value).digest('base64url')
}

/**
 * The session cookie that belongs to a persistent one. It is derived, so a browser that was restarted and lost its
 * session cookie is still the same browser for the session and for an open run. Both begin with the letter of their group.
 * @param key - secret of this authority, used for nothing else
 */
export function sessionValueOf(persistent: string, key: KeyObject): string {
  return persistent.slice(0, 1) + createHmac('sha256', key).update(persistent).digest('base64url').slice(0, 21)
}

/** Reads the cookies of a request; values of another shape count as absent. */
export function readBrowser(request: FastifyRequest, key: KeyObject): Browser {
  const persistent = wellFormed(request.cookies[persistentCookie], persistentValue)
  const derived = persistent === undefined ? undefined : sessionValueOf(persistent, key)
  const sent = wellFormed(request.cookies[sessionCookie], sessionValue)
  const session = sent ?? derived
  const form = wellFormed(request.cookies[formCookie], sessionValue)
  return {
    hasSessionCookie: sent !== undefined,
    ...(session === undefined ? {} : { tokenHash: tokenHash(session) }),
    ...(persistent === undefined ? {} : { persistentTokenHash: tokenHash(persistent) }),
    ...(form === undefined ? {} : { formHash: tokenHash(form) })
  }
}

/** A cookie as whoever sends it needs it, with Fastify's help or without. */
export interface SetCookie {
  readonly name: string
  readonly value: string
  readonly options: ReturnType<typeof base>
}

/** The session cookie that belongs to the persistent one of this browser. */
export function derivedSessionCookie(request: FastifyRequest, key: KeyObject, settings: CookieSettings): SetCookie | undefined {
  const persistent = wellFormed(request.cookies[persistentCookie], persistentValue)
  return persistent === undefined ? undefined : { name: sessionCookie, value: sessionValueOf(persistent, key), options: base(settings) }
}

/** New values for a sign-in. */
export interface SessionCookies {
  readonly session: string
  readonly persistent?: string
}

/** Makes the cookie values of a new session: always fresh, whatever the browser sent. */
export function newSessionCookies(ids: Pick<Ids, 'cookie' | 'persistentCookie'>, isPersistent: boolean, key: KeyObject): SessionCookies {
  if (!isPersistent) return { session: ids.cookie() }
  const persistent = ids.persistentCookie()
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
export function formBinding(browser: Browser, reply: FastifyReply, ids: Ids, settings: CookieSettings): string {
  if (browser.formHash !== undefined) return browser.formHash
  const { name, value, hash } = newFormCookie(ids)
  reply.setCookie(name, value, base(settings))
  return hash
}

/** A fresh cookie that names this browser, for whoever sends it without Fastify's help. */
export function newFormCookie(ids: Ids): { readonly name: string; readonly value: string; readonly hash: string } {
  const value = ids.cookie()
  return { name: formCookie, value, hash: tokenHash(value) }
}

/** Remembers a choice for the next visit; a name of the configuration, nothing about the person. */
export function setProviderCookie(reply: FastifyReply, providerId: string, settings: CookieSettings): void {
  reply.setCookie(providerCookie, providerId, { ...base(settings), maxAge: providerSeconds })
}

/** Keeps a language over the forms and redirects that follow. */
export function setLanguageCookie(reply: FastifyReply, language: Language, settings: CookieSettings): void {
  reply.setCookie(languageCookie, language, { ...base(settings), maxAge: languageSeconds })
}

export function setResumedCookie(reply: FastifyReply, runId: string, settings: CookieSettings): void {
  reply.setCookie(resumedCookie, runId, { ...base(settings), maxAge: resumedSeconds })
}

function base(settings: CookieSettings): { path: string; httpOnly: true; secure: boolean; sameSite: 'lax' } {
  return { path: '/', httpOnly: true, secure: settings.isSecure, sameSite: 'lax' }
}

function wellFormed(value: string | undefined, shape: RegExp): string | undefined {
  return value !== undefined && shape.test(value) ? value : undefined
}
