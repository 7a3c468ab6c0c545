import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { cookiesOf, type WebAnswer, type WebRequest } from './web.ts'

/** An answer as it comes: pages of the authority grow while they are read. */
export interface Arriving extends Omit<WebAnswer, 'body'> {
  readonly chunks: AsyncIterable<string>
}

/** All sites there are. Rejects where nobody listens. */
export type Web = (request: WebRequest, headers: Readonly<Record<string, string>>, signal?: AbortSignal) => Promise<Arriving>

/** Where a browser came to rest. */
export interface Landed {
  readonly url: string
  readonly body: string
  readonly status: number
}

/**
 * A browser as far as a logout needs one: cookies with `SameSite`, frames and pictures of a page that is still loading,
 * forms that submit themselves, refreshes, and of scripts the one that goes on after a time if the page is still there. It
 * can be told to keep cookies from frames of other sites.
 */
export interface Visitor {
  /** Goes to an address and wherever that leads; never settles where a site never answers. `referer`: by a link of that page. */
  visit(url: string, referer?: string): Promise<Landed>
  /** Leaves whatever it waits for. */
  abandon(): void
  cookiesFor(host: string): ReadonlyMap<string, string>
  /** Everything it keeps, for another browser to go on with. */
  cookies(): readonly KeptCookie[]
}

interface Cookie {
  readonly value: string
  readonly isEverywhere: boolean
}

export interface KeptCookie extends Cookie {
  readonly host: string
  readonly name: string
}

interface Step {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly body: string
  /** Host of the page that caused it; undefined: typed. */
  readonly from: string | undefined
  /** Host in the address bar, where it is not the target itself. */
  readonly frameOf?: string
  readonly referer?: string | undefined
}

/** Where the script of a page goes on, if the page is still there. */
interface Later {
  readonly address: URL
  readonly atMs: number
}

const stepsMax = 60

export interface VisitorOptions {
  readonly blocksThirdParties: boolean
  /** For scripts of pages. Absent: the clock of this machine. */
  readonly clock?: Clock
}

export function createVisitor(web: Web, options: VisitorOptions): Visitor {
  const { clock = systemClock } = options
  const jars = new Map<string, Map<string, Cookie>>()
  let visits = 0
  let leaving = new AbortController()

  const jarOf = (host: string): Map<string, Cookie> => {
    const jar = jars.get(host) ?? new Map<string, Cookie>()
    jars.set(host, jar)
    return jar
  }

  /** Sites are hosts here: every one is a registrable domain of its own. */
  function maySee({ isEverywhere }: Cookie, { method, url, from, frameOf }: Step): boolean {
    const isForeignFrame = frameOf !== undefined && frameOf !== url.host
    if (isForeignFrame) return isEverywhere && !options.blocksThirdParties
    return isEverywhere || from === undefined || from === url.host || (method === 'GET' && frameOf === undefined)
  }

  async function ask(step: Step, signal: AbortSignal): Promise<Arriving> {
    const { method, url, body, from, frameOf, referer } = step
    const cookies = new Map([...jarOf(url.host)].filter(([, cookie]) => maySee(cookie, step)).map(([name, { value }]) => [name, value]))
    const site = from === undefined ? 'none' : from === url.host ? 'same-origin' : 'cross-site'
    const headers = {
      'sec-fetch-site': site,
      'sec-fetch-dest': frameOf === undefined ? 'document' : 'iframe',
      accept: 'text/html',
      ...(method === 'POST' && from !== undefined ? { origin: `http://${from}` } : {}),
      ...(referer === undefined ? {} : { referer })
    }
    const answer = await web({ method, url, cookies, body: Buffer.from(body) }, headers, signal)
    for (const text of answer.cookies ?? []) keep(url.host, text)
    return answer
  }

  function keep(host: string, text: string): void {
    const [[name, value] = ['', '']] = [...cookiesOf(text.split(';')[0])]
    if (value === '' || /max-age=0|expires=Thu, 01 Jan 1970/i.test(text)) jarOf(host).delete(name)
    else jarOf(host).set(name, { value, isEverywhere: /samesite=none/i.test(text) })
  }

  /** One document: its frames load while the rest of it comes. */
  async function load(first: Step, isGone: () => boolean, ofPage: readonly AbortSignal[] = []): Promise<Landed> {
    let step = first
    let later: Later | undefined
    let shown = new AbortController()
    for (let i = 0; i < stepsMax; i++) {
      const answer = await unlessLater(step, later, ofPage)
      if (isGone()) return new Promise(() => undefined)
      if (answer === undefined) {
        // The page that waits is still shown, and its script goes on elsewhere.
        step = { method: 'GET', url: later?.address ?? step.url, body: '', from: later?.address.host }
        later = undefined
        continue
      }
      const { url, frameOf } = step
      const top = frameOf === undefined ? {} : { frameOf }
      const location = answer.status >= 300 && answer.status < 400 ? answer.headers?.['location'] : undefined
      if (location !== undefined) {
        step = { method: 'GET', url: new URL(location, url), body: '', from: step.from === undefined && i === 0 ? undefined : url.host, ...top }
        continue
      }
      // Another document: the frames of the one before are gone.
      shown.abort()
      shown = new AbortController()
      let body = ''
      let seen = 0
      for await (const chunk of answer.chunks) {
        body += chunk
        const fresh = body.slice(seen)
        seen = body.length
        for (const source of frameOf === undefined ? inside(fresh) : [])
          void load({ method: 'GET', url: new URL(source, url), body: '', from: url.host, frameOf: url.host }, isGone, [shown.signal]).catch(() => undefined)
      }
      const next = onward(body)
      if (next === undefined) return { url: url.href, body, status: answer.status }
      later = frameOf === undefined ? laterOf(body, url, clock.nowMs()) : undefined
      step = { method: next.method, url: new URL(next.address, url), body: next.body, from: url.host, ...top }
    }
    throw new Error(`round and round, at last ${step.url.href}`)
  }

  /** Undefined: the script of the page was quicker than the answer. */
  async function unlessLater(step: Step, later: Later | undefined, ofPage: readonly AbortSignal[]): Promise<Arriving | undefined> {
    if (later === undefined) return ask(step, AbortSignal.any([leaving.signal, ...ofPage]))
    const late = new AbortController()
    const timer = clock.after(later.atMs - clock.nowMs(), () => late.abort())
    try {
      return await ask(step, AbortSignal.any([leaving.signal, late.signal]))
    } catch (error) {
      if (late.signal.aborted && !leaving.signal.aborted) return undefined
      throw error
    } finally {
      timer.cancel()
    }
  }

  const leave = (): number => {
    leaving.abort()
    leaving = new AbortController()
    visits += 1
    return visits
  }

  return {
    visit(address, referer) {
      const own = leave()
      const from = referer === undefined ? undefined : new URL(referer).host
      const isGone = (): boolean => own !== visits
      return load({ method: 'GET', url: new URL(address), body: '', from, referer }, isGone).catch((error: unknown) => {
        if (isGone()) return new Promise<Landed>(() => undefined)
        throw error
      })
    },
    abandon: () => void leave(),
    cookies: () => [...jars].flatMap(([host, jar]) => [...jar].map(([name, cookie]) => ({ host, name, ...cookie }))),
    cookiesFor: (host) => new Map([...jarOf(host)].map(([name, { value }]) => [name, value]))
  }
}

/** Addresses of frames and pictures. */
function inside(html: string): readonly string[] {
  return [...html.matchAll(/<(?:iframe|img) [^>]*?src="([^"]+)"/g)].map(([, source = '']) => plain(source)).filter((source) => !source.startsWith('data:'))
}

interface Onward {
  readonly method: 'GET' | 'POST'
  readonly address: string
  readonly body: string
}

/** Where the page goes by itself at once: its form, or its refresh. A refresh that leaves time to read is no such thing. */
function onward(html: string): Onward | undefined {
  const form = /<form id="post" method="post" action="([^"]*)">([\s\S]*?)<\/form>/.exec(html)
  if (form !== null) {
    const fields = [...(form[2] ?? '').matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name = '', value = '']): [string, string] => [
      plain(name),
      plain(value)
    ])
    return { method: 'POST', address: plain(form[1] ?? ''), body: new URLSearchParams(fields).toString() }
  }
  const refresh = /http-equiv="refresh" content="[01];url=([^"]+)"/.exec(html)
  return refresh === null ? undefined : { method: 'GET', address: plain(refresh[1] ?? ''), body: '' }
}

/** The last line of a page's scripts that goes on after a time. Those that go on at once do what its refresh does. */
function laterOf(html: string, url: URL, nowMs: number): Later | undefined {
  const lines = [...html.matchAll(/setTimeout\(\(\) => location\.replace\("([^"]+)"\), (\d+)\)/g)]
  const [, address, afterMs] = lines.findLast(([, , ms]) => Number(ms) > 1_000) ?? []
  return address === undefined ? undefined : { address: new URL(address, url), atMs: nowMs + Number(afterMs) }
}

function plain(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
