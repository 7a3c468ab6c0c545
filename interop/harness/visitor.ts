import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { RealPeer } from '../peer.ts'
import { get } from './programs.ts'

/** Whether a peer still knows the visitor, seen at the peer itself. */
export type Truth = 'signed in' | 'signed out' | 'no answer'

/**
 * What the browser lets applications do: everything, no cookies in frames of other sites, or no scripts.
 */
export type BrowserMode = 'usual' | 'no-third-party-cookies' | 'no-scripts'

/** Where a person is signed in or not. */
type Place = Pick<RealPeer, 'name' | 'protectedUrl' | 'insideMark'>

/** One person with one browser profile. */
export interface Visitor {
  readonly page: Page
  /** Goes there and waits until one of the texts is on the page that the way ends at. */
  open(url: string, ...marks: readonly string[]): Promise<string>
  /** Waits until one of the texts shows on the page, wherever it went meanwhile. Returns its HTML. */
  untilShows(...marks: readonly string[]): Promise<string>
  /** Fills in and sends the sign-in form that is on the page. */
  signIn(user: string, password: string): Promise<void>
  press(selector: string): Promise<void>
  /** Asks the peer with this browser's cookies, without the browser: nothing is started by looking. */
  truthAt(peer: Place): Promise<Truth>
  close(): Promise<void>
}

const waitMsMax = 12_000
const lookMs = 60
/** What the sign-in form of the authority has and no other page. */
export const signInMark = 'name="password"'

/** The button of a page that carries a message by POST, for a browser that runs no script. */
const carrier = 'form#post button'

export async function createVisitor(browser: Browser, mode: BrowserMode): Promise<Visitor> {
  const context = await browser.newContext({ locale: 'en-GB', javaScriptEnabled: mode !== 'no-scripts' })
  const page = await context.newPage()
  page.setDefaultTimeout(waitMsMax)
  if (mode === 'no-third-party-cookies') await refuseThirdPartyCookies(context, page)
  const untilShows = async (...marks: readonly string[]): Promise<string> => {
    const untilMs = performance.now() + waitMsMax
    let html = ''
    while (performance.now() < untilMs) {
      html = await contentOf(page, html)
      if (marks.some((mark) => html.includes(mark))) return html
      if (mode === 'no-scripts' && html.includes('id="post"')) await pressCarrier(page)
      await sleep(lookMs)
    }
    throw new Error(`waited for "${marks.join('" or "')}", but ${page.url()} shows: ${textOf(html).slice(0, 400)}`)
  }
  return {
    page,
    untilShows,
    async open(url, ...marks) {
      await leave(page, () => page.goto(url, { waitUntil: 'commit' }))
      return untilShows(...marks)
    },
    async signIn(user, password) {
      await page.fill('input[name=username]', user)
      await page.fill('input[name=password]', password)
      await leave(page, () => page.click('form button.primary', { noWaitAfter: true }))
    },
    press: (selector) => leave(page, () => page.click(selector, { noWaitAfter: true })),
    truthAt: (peer) => truthAt(context, peer),
    close: () => context.close()
  }
}

/** The page may have gone on meanwhile; the next look shows. */
async function pressCarrier(page: Page): Promise<void> {
  await page.click(carrier, { noWaitAfter: true, timeout: 500 }).catch(() => undefined)
}

/** As a browser does that has its protection against trackers switched on: without the exceptions for known pages. */
async function refuseThirdPartyCookies(context: BrowserContext, page: Page): Promise<void> {
  const devTools = await context.newCDPSession(page)
  await devTools.send('Network.enable')
  await devTools.send('Network.setCookieControls', { enableThirdPartyCookieRestriction: true })
}

/** A page that goes on by itself may overtake the navigation that was asked for; where it ends is looked at next. */
async function leave(page: Page, go: () => Promise<unknown>): Promise<void> {
  try {
    await go()
  } catch (error) {
    if (page.isClosed() || !(error instanceof Error) || !/interrupted by another navigation|ERR_ABORTED/.test(error.message)) throw error
  }
}

/** The page may be between two documents: then the last one counts until the next look. */
async function contentOf(page: Page, last: string): Promise<string> {
  try {
    return await page.content()
  } catch (error) {
    if (page.isClosed()) throw error
    return last
  }
}

async function truthAt(context: BrowserContext, peer: Place): Promise<Truth> {
  const cookies = await context.cookies(peer.protectedUrl)
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  try {
    // Some answer 401 instead of asking for a sign-in when it does not look like a browser.
    const answer = await get(peer.protectedUrl, { accept: 'text/html', ...(cookie === '' ? {} : { cookie }) }, 3_000)
    if (answer.status === 200 && answer.body.includes(peer.insideMark)) return 'signed in'
    if (answer.status >= 300 && answer.status < 400) return 'signed out'
    throw new Error(`${peer.name} answered ${answer.status} where it either shows its page or asks for a sign-in: ${textOf(answer.body).slice(0, 300)}`)
  } catch (error) {
    if (error instanceof Error && /ECONNREFUSED|aborted|timeout|hang up|ECONNRESET/i.test(`${error.name} ${error.message}`)) return 'no answer'
    throw error
  }
}

function textOf(html: string): string {
  return html
    .replace(/<(style|script)[^>]*>[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}
