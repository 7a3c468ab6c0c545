import type { AppSession } from '@curfew/sdk'

const signOutWords: Readonly<Record<string, string>> = {
  complete: 'You signed out. Every application confirmed.',
  partial: 'You signed out here, but not every application confirmed. The sign-off page of the authority says which.',
  returned: 'You signed out. What the other applications confirmed, the sign-off page of the authority said.',
  failed: 'You signed out here. The authority could not carry the sign-out on.'
}

export interface AppPage {
  readonly name: string
  readonly accent: string
  readonly words: string
  readonly session: AppSession | undefined
  readonly loginPath: string
  readonly logoutPath: string
  /** Value of `?signout=`. */
  readonly signOut: string | null
  /** Markup below the way out. */
  readonly more?: string
}

/** The one page of a demo application: who is signed in, and how to leave. */
export function applicationPage(page: AppPage): string {
  const { session } = page
  const mail = session?.attributes['mail']?.[0] ?? session?.attributes['email']?.[0] ?? session?.nameId.value ?? ''
  const notice = page.signOut === null ? '' : `<p role="status"><strong>${escape(signOutWords[page.signOut] ?? '')}</strong></p>`
  const body =
    session === undefined
      ? `<h1>${escape(page.name)}</h1>${notice}<p>You are not signed in here.</p><p><a class="b" href="${escape(page.loginPath)}">Sign in</a></p>`
      : `<h1>${escape(page.name)}</h1>${notice}<p>Signed in as <strong>${escape(mail)}</strong>.</p><p>${escape(page.words)}</p>
<form method="post" action="${escape(page.logoutPath)}"><button>Sign out everywhere</button></form>${page.more ?? ''}`
  return pageShell(page.name, page.accent, body)
}

/** What all pages of the demo applications look like; `body` is markup. */
export function pageShell(name: string, accent: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escape(name)}</title>
<link rel="icon" href="data:,"><style>body{margin:0;font:1rem/1.5 system-ui,sans-serif;background:#f3f3f0;color:#1d2126}main{max-width:36rem;margin:0 auto;padding:2rem 1rem}
h1{border-inline-start:.5rem solid ${accent};padding-inline-start:.75rem}button,.b{font:inherit;font-weight:600;padding:.6rem 1.1rem;border:0;border-radius:.5rem;background:${accent};color:#fff;text-decoration:none;display:inline-block;cursor:pointer}
.q{background:none;color:#1d2126;border:2px solid ${accent};text-align:start}
:focus-visible{outline:3px solid #1d2126;outline-offset:3px}</style></head><body><main>${body}</main></body></html>`
}

export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
