import { decodeJwt } from 'jose'
import { formOf } from '../authority/browser.ts'

/** What came back, read to its end. */
export interface Answer {
  readonly status: number
  readonly location: string
  readonly body: string
}

/** Somebody with a browser of their own, at a server that listens: keeps cookies, follows nothing by itself. */
export interface Person {
  get(path: string): Promise<Answer>
  post(path: string, fields: Readonly<Record<string, string>>): Promise<Answer>
  /** By the form of the start page; returns the answer to it. */
  signIn(username: string, password: string): Promise<Answer>
  /** A code flow of an OpenID client; returns the `sid` that it is told. */
  join(client: OpenIdClient): Promise<string>
  /** By the button of the sign-off page; returns the answer to it. */
  signOut(): Promise<Answer>
  /** What the start page says. */
  isSignedIn(): Promise<boolean>
}

export interface OpenIdClient {
  readonly id: string
  readonly secret: string
  readonly redirectUri: string
}

/** @param headers - sent along with every request, such as the languages of the browser */
export function createPerson(baseUrl: string, headers: Readonly<Record<string, string>> = {}): Person {
  const cookies = new Map<string, string>()
  const send = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(new URL(path, baseUrl), { redirect: 'manual', ...init, headers: { accept: 'text/html', cookie, ...headers, ...init.headers } })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /max-age=0/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return { status: answer.status, location: answer.headers.get('location') ?? '', body: await answer.text() }
  }
  const get: Person['get'] = (path) => send(path)
  const post: Person['post'] = (path, fields) => send(path, { method: 'POST', body: new URLSearchParams(fields), headers: { origin: baseUrl } })
  return {
    get,
    post,
    async signIn(username, password) {
      const start = await get('/')
      const page = start.status === 303 ? await get(start.location) : start
      if (page.status !== 200) return page
      const { action, fields } = formOf(page.body)
      return post(action, { ...fields, username, password })
    },
    async join({ id, secret, redirectUri }) {
      const query = new URLSearchParams({ client_id: id, response_type: 'code', redirect_uri: redirectUri, scope: 'openid', state: 'state', nonce: 'nonce' })
      const back = await get(`/as/authorization.oauth2?${query.toString()}`)
      const code = URL.parse(back.location)?.searchParams.get('code')
      if (typeof code !== 'string') throw new Error(`no code came but ${back.status}: ${back.body}`)
      const answer = await fetch(new URL('/as/token.oauth2', baseUrl), {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirectUri }),
        headers: { authorization: `Basic ${Buffer.from(`${id}:${encodeURIComponent(secret)}`).toString('base64')}` }
      })
      if (answer.status !== 200) throw new Error(`no tokens came but ${answer.status}: ${await answer.text()}`)
      const { id_token: idToken } = (await answer.json()) as { readonly id_token: string }
      return String(decodeJwt(idToken)['sid'])
    },
    async signOut() {
      const page = await get('/signoff')
      if (page.status !== 200) return page
      const { action, fields } = formOf(page.body)
      return post(action, { ...fields, choice: 'everywhere' })
    },
    async isSignedIn() {
      const { status, body } = await get('/')
      return status === 200 && body.includes('Signed in as')
    }
  }
}
