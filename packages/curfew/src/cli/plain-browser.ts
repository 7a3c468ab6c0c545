import { lookup } from 'node:dns'
import { Agent, request } from 'undici'

/** Steps of one journey at most: a loop of redirects ends the check. */
const hopsMax = 30

/** A page as it came. */
export interface Page {
  readonly url: string
  readonly body: string
}

/** A browser without JavaScript: cookies, redirects, meta refreshes and forms; every `*.localhost` is this machine. */
export class PlainBrowser {
  readonly #cookies = new Map<string, Map<string, string>>()
  readonly #agent = new Agent({
    connect: {
      lookup: (host, options, callback) => {
        lookup(host.endsWith('.localhost') ? '127.0.0.1' : host, options, callback)
      }
    }
  })

  open(url: string): Promise<Page> {
    return this.#go('GET', url, undefined)
  }

  /** Fills in and sends the first form of a page. */
  submit(page: Page, values: Readonly<Record<string, string>>): Promise<Page> {
    return this.#send(page, undefined, values)
  }

  /** Sends the form of a page that goes to this address. */
  send(page: Page, action: string): Promise<Page> {
    return this.#send(page, action, {})
  }

  #send(page: Page, action: string | undefined, values: Readonly<Record<string, string>>): Promise<Page> {
    const forms = [...page.body.matchAll(/<form[^>]*method="post"[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/gi)]
    const form = forms.find(([, own]) => action === undefined || unescape(own ?? '') === action)
    if (form === undefined) throw new Error(`there is no form ${action ?? ''} on ${page.url}`)
    const hidden = [...(form[2] ?? '').matchAll(/<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"/gi)]
    const fields = new URLSearchParams([...hidden.map(([, name = '', value = '']) => [name, unescape(value)] as [string, string]), ...Object.entries(values)])
    return this.#go('POST', new URL(unescape(form[1] ?? ''), page.url).href, fields.toString())
  }

  /** The cookies that a request to this address would carry. */
  cookie(url: string): string {
    return [...(this.#cookies.get(new URL(url).hostname) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }

  async #go(method: 'GET' | 'POST', url: string, body: string | undefined): Promise<Page> {
    let next: { method: 'GET' | 'POST'; url: string; body: string | undefined } = { method, url, body }
    let referrer = body === undefined ? undefined : new URL(url).origin
    for (let i = 0; i < hopsMax; i++) {
      const page = await this.#fetch(next, referrer)
      if (page.location !== undefined) next = { method: 'GET', url: new URL(page.location, next.url).href, body: undefined }
      else {
        const target = refreshOf(page) ?? autoPostOf(page)
        if (target === undefined) return page
        next = target
      }
      referrer = new URL(page.url).origin
    }
    throw new Error(`more than ${hopsMax} hops from ${url}`)
  }

  async #fetch(
    target: { readonly method: 'GET' | 'POST'; readonly url: string; readonly body: string | undefined },
    referrer: string | undefined
  ): Promise<Page & { readonly location: string | undefined }> {
    const url = new URL(target.url)
    const jar = this.#cookies.get(url.hostname) ?? new Map<string, string>()
    this.#cookies.set(url.hostname, jar)
    const answer = await request(url, {
      dispatcher: this.#agent,
      method: target.method,
      headers: {
        accept: 'text/html',
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(referrer === undefined ? {} : { referer: `${referrer}/` }),
        ...(target.body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded', ...(referrer === undefined ? {} : { origin: referrer }) })
      },
      ...(target.body === undefined ? {} : { body: target.body })
    })
    for (const cookie of [answer.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(cookie)) jar.delete(name)
      else jar.set(name, value)
    }
    const text = await this.#read(answer.body, target.url)
    const location = answer.headers['location']
    const isRedirect = answer.statusCode >= 300 && answer.statusCode < 400
    return { url: target.url, body: text, location: isRedirect ? [location].flat()[0] : undefined }
  }

  /** Reads a page and loads its hidden frames as soon as they are there: the sign-off page waits for them while it is still being sent. */
  async #read(body: AsyncIterable<Uint8Array>, url: string): Promise<string> {
    const decoder = new TextDecoder()
    const loading: Promise<Page>[] = []
    let text = ''
    for await (const part of body) {
      text += decoder.decode(part, { stream: true })
      const frames = [...text.matchAll(/<(?:iframe|img)[^>]*src="(\/signoff\/[^"]*)"/gi)]
      for (const [, source = ''] of frames.slice(loading.length)) loading.push(this.#go('GET', new URL(unescape(source), url).href, undefined))
    }
    await Promise.all(loading)
    return text
  }
}

function refreshOf(page: Page): { method: 'GET'; url: string; body: undefined } | undefined {
  const target = /<meta http-equiv="refresh" content="[01];url=([^"]*)"/i.exec(page.body)?.[1]
  return target === undefined ? undefined : { method: 'GET', url: new URL(unescape(target), page.url).href, body: undefined }
}

function autoPostOf(page: Page): { method: 'POST'; url: string; body: string } | undefined {
  if (!page.body.includes('.submit()')) return undefined
  const form = /<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/i.exec(page.body)
  if (form === null) return undefined
  const fields = [...(form[2] ?? '').matchAll(/name="([^"]*)" value="([^"]*)"/g)].map(
    ([, name = '', value = '']) => [name, unescape(value)] as [string, string]
  )
  return { method: 'POST', url: new URL(unescape(form[1] ?? ''), page.url).href, body: new URLSearchParams(fields).toString() }
}

function unescape(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
