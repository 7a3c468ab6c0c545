import type { FastifyInstance, LightMyRequestResponse } from 'fastify'

/** A browser without JavaScript: keeps cookies, follows nothing by itself. */
export interface Browser {
  get(url: string, headers?: Readonly<Record<string, string>>): Promise<LightMyRequestResponse>
  post(url: string, fields: Readonly<Record<string, string>>, headers?: Readonly<Record<string, string>>): Promise<LightMyRequestResponse>
  readonly cookies: Map<string, string>
}

export function createBrowser(app: FastifyInstance): Browser {
  const cookies = new Map<string, string>()
  const keep = (response: LightMyRequestResponse): LightMyRequestResponse => {
    for (const { name, value, maxAge, expires } of response.cookies) {
      if (value === '' || maxAge === 0 || (expires !== undefined && expires.getTime() === 0)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return response
  }
  const cookieHeader = (): Record<string, string> => (cookies.size === 0 ? {} : { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') })
  const pathOf = (url: string): string => {
    const parsed = new URL(url, 'http://curfew.test')
    return parsed.pathname + parsed.search
  }
  return {
    cookies,
    get: async (url, headers) => keep(await app.inject({ method: 'GET', url: pathOf(url), headers: { accept: 'text/html', ...cookieHeader(), ...headers } })),
    post: async (url, fields, headers) =>
      keep(
        await app.inject({
          method: 'POST',
          url: pathOf(url),
          headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded', ...cookieHeader(), ...headers },
          payload: new URLSearchParams(fields).toString()
        })
      )
  }
}

/** The one form of a page that goes by POST: its address and its hidden fields. */
export interface Form {
  readonly action: string
  readonly fields: Readonly<Record<string, string>>
}

export function formOf(html: string): Form {
  const form = /<form[^>]*method="post"[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/.exec(html)
  if (form === null) throw new Error(`no form in: ${html.slice(0, 2000)}`)
  const inputs = [...(form[2] ?? '').matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)]
  return { action: unescape(form[1] ?? ''), fields: Object.fromEntries(inputs.map(([, name, value]) => [name ?? '', unescape(value ?? '')])) }
}

function unescape(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
