import { AsyncLocalStorage } from 'node:async_hooks'
import type { Session } from '../../core/session.ts'
import type { ShownCertificate } from './mutual-tls/client-certificates.ts'

/** What the library's session stands for in one request: this browser, and our session in it. */
export interface RequestScope {
  /** The same for one browser before and after its sign-in. */
  readonly browser: string
  readonly session: Session | undefined
  /** The account that an interaction began with, where the sign-in in its middle was somebody else's. */
  readonly beganAs?: string | undefined
  /** What a program shows to prove who it is. */
  readonly certificate?: ShownCertificate | undefined
  /** Our error page, in the language of this request. */
  problem(reference: string): { readonly html: string; readonly headers: Readonly<Record<string, string>> }
}

/** Name of the library's session cookie: it is made up for each request and never reaches a browser. */
export const innerSessionCookie = 'PF.OP'

/** What the library's session cookie holds in every request: which session is meant is decided by the scope. */
export const innerSession = 'this-browser'

/** The library asks for its session by a cookie; the session that counts is ours, found before it is called. */
export const requestScope = new AsyncLocalStorage<RequestScope>()
