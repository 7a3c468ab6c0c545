import { escapeText, type GuardResponse, htmlAnswer, noStore } from './http.ts'
import { checkSessionScript } from './session-check-script.ts'

/**
 * Asks the provider in the browser, again and again, whether the session there changed. Not to be relied on: browsers
 * that block or partition cookies in frames of other sites only ever answer that it can not be known. What reaches an
 * application in any case is back-channel logout.
 * @see OpenID Connect Session Management 1.0 section 3
 */
export interface SessionCheckOptions {
  /** Between two questions, in milliseconds. Default: {@link intervalMsDefault}. */
  readonly intervalMs?: number
}

/** What a re-check with `prompt=none` came to: `unknown` says nothing about the session, and leaves it alone. */
export type SessionVerdict = 'kept' | 'ended' | 'unknown'

const intervalMsDefault = 5_000

/**
 * Errors that say the provider has no session of this person to speak of. Any other (`server_error`,
 * `temporarily_unavailable`) says nothing about it.
 * @see OpenID Connect Core 1.0 section 3.1.2.6
 */
const overErrors: ReadonlySet<string> = new Set(['login_required', 'interaction_required', 'consent_required', 'account_selection_required'])

export function isSessionOver(error: string | null): boolean {
  return error !== null && overErrors.has(error)
}

/** A `session_state` as the standard has it, without spaces, and of a length that fits a cookie; else undefined. */
export function sessionStateOf(text: string | null | undefined): string | undefined {
  return typeof text === 'string' && /^[\x21-\x7e]{1,512}$/.test(text) ? text : undefined
}

/** A cookie that the script of the frame reads: what is in it opens nothing anywhere. */
export function sessionStateCookie(name: string, state: string, baseUrl: string): string {
  const secure = baseUrl.startsWith('https:') ? '; Secure' : ''
  const age = state === '' ? '; Max-Age=0' : ''
  return `${name}=${encodeURIComponent(state)}; Path=/; SameSite=Lax${secure}${age}`
}

export interface SessionCheckPage {
  readonly checkSessionIframe: string
  readonly authorizationEndpoint: string
  readonly clientId: string
  readonly stateCookie: string
  readonly scriptPath: string
  readonly recheckPath: string
  readonly options: SessionCheckOptions
}

/** The page of the frame: the provider's frame, and the script that asks it. Only pages of the application may hold it. */
export function sessionCheckPage(page: SessionCheckPage): GuardResponse {
  const { checkSessionIframe, authorizationEndpoint, clientId, stateCookie, scriptPath, recheckPath, options } = page
  const data = {
    provider: checkSessionIframe,
    client: clientId,
    cookie: stateCookie,
    again: recheckPath,
    interval: String(Math.max(1, options.intervalMs ?? intervalMsDefault))
  }
  const attributes = Object.entries(data).map(([name, value]) => ` data-${name}="${escapeText(value)}"`)
  const frames = new Set(["'self'", new URL(checkSessionIframe).origin, new URL(authorizationEndpoint).origin])
  const body = `<iframe src="${escapeText(checkSessionIframe)}"></iframe><script src="${escapeText(scriptPath)}"${attributes.join('')}></script>`
  return framed(body, `script-src 'self'; frame-src ${[...frames].join(' ')}; `)
}

/** The page where there is nothing to ask: nobody is signed in, or the provider has no such frame. */
export function emptySessionCheckPage(): GuardResponse {
  return framed('', '')
}

export function sessionCheckScript(): GuardResponse {
  return {
    status: 200,
    headers: {
      ...noStore,
      'content-type': 'text/javascript; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin'
    },
    body: checkSessionScript
  }
}

/** Where a re-check ends: the script reads the verdict from the frame, which is of its own origin. */
export function sessionVerdictPage(verdict: SessionVerdict, cookies: readonly string[] = []): GuardResponse {
  return framed('', '', { verdict, cookies })
}

function framed(
  body: string,
  policy: string,
  { verdict, cookies = [] }: { readonly verdict?: SessionVerdict; readonly cookies?: readonly string[] } = {}
): GuardResponse {
  const session = verdict === undefined ? '' : ` data-session="${verdict}"`
  const answer = htmlAnswer(200, `<!doctype html><html lang="en"${session}><meta charset="utf-8"><title>Session</title><body>${body}</body></html>`, cookies)
  const rules = `default-src 'none'; ${policy}base-uri 'none'; form-action 'none'; frame-ancestors 'self'`
  return { ...answer, headers: { ...answer.headers, 'content-security-policy': rules } }
}
