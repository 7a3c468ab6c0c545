import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as client from 'openid-client'
import { createServer as createCurfew } from '../../../src/cli/embed.ts'
import { silentLogger } from '../../../src/platform/logger.ts'
import { hashPassword } from '../../../src/platform/password.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { makeKeyPair } from '../key-pairs.ts'
import { freeRange } from '../../support/ports.ts'

/** A browser over real HTTP: cookies by path are not needed, every cookie goes to the authority. */
class Visitor {
  readonly #cookies = new Map<string, string>()

  async get(url: string, init: RequestInit = {}): Promise<Response> {
    const answer = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: {
        accept: 'text/html',
        ...(init.headers as Record<string, string> | undefined),
        cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      }
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      const at = pair.indexOf('=')
      if (/expires=Thu, 01 Jan 1970/i.test(cookie) || pair.endsWith('=')) this.#cookies.delete(pair.slice(0, at))
      else this.#cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }

  /** Follows redirects until one leaves for `stop`, or a page comes. */
  async follow(url: string, stop: string): Promise<{ readonly url: string; readonly body: string }> {
    let at = url
    for (let i = 0; i < 20; i++) {
      if (at.startsWith(stop)) return { url: at, body: '' }
      const answer = await this.get(at)
      const location = answer.headers.get('location')
      if (location === null) return { url: at, body: await answer.text() }
      at = new URL(location, at).href
    }
    throw new Error('too many redirects')
  }
}

suite('A relying party that this project did not write', () => {
  let authority: Awaited<ReturnType<typeof createCurfew>>
  let receiver: Server
  let issuer = ''
  let folder = ''
  const tokens: string[] = []
  const redirect = 'http://127.0.0.1:1/cb'

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'curfew-oidc-'))
    const own = makeKeyPair('curfew')
    const password = await hashPassword('correct horse', systemRandom)
    await writeFile(join(folder, 'key.pem'), own.key.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(join(folder, 'cert.pem'), own.certificatePem)
    await writeFile(join(folder, 'secret'), Buffer.alloc(32, 7).toString('base64'))
    await writeFile(join(folder, 'users.yaml'), JSON.stringify({ users: [{ username: 'ana', password, attributes: { mail: 'ana@example.org' } }] }))
    receiver = createServer((request, response) => {
      void bodyOf(request).then((body) => {
        tokens.push(new URLSearchParams(body).get('logout_token') ?? '')
        response.writeHead(200, { 'cache-control': 'no-store' }).end()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    const back = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/backchannel`
    const port = await freeRange(1)
    issuer = `http://127.0.0.1:${port}`
    authority = await createCurfew(
      {
        server: { baseUrl: issuer, listen: [`127.0.0.1:${port}`] },
        admin: { listen: ['127.0.0.1:0'], token: '0123456789abcdef' },
        store: { kind: 'sqlite', file: 'data/curfew.db' },
        saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem', algorithm: 'ecdsa-sha256' }] },
        sessions: { secretFile: 'secret' },
        signOn: { users: 'users.yaml' },
        outbound: { allowPrivate: ['127.0.0.0/8'] },
        connections: [
          {
            id: 'wiki',
            protocol: 'oidc',
            clientSecret: 'a secret that is long enough',
            redirectUris: [redirect],
            postLogoutRedirectUris: ['http://127.0.0.1:1/bye'],
            refreshTokens: true,
            logout: { modes: ['backChannel'], backChannelUri: back }
          }
        ]
      },
      { folder, logger: silentLogger }
    )
    await authority.start()
  })

  after(async () => {
    await authority.stop()
    receiver.close()
    await rm(folder, { recursive: true })
  })

  test('signs in by discovery, code and PKCE, reads userinfo, refreshes, logs out and is told by the back channel', async () => {
    const configuration = await client.discovery(new URL(issuer), 'wiki', undefined, client.ClientSecretBasic('a secret that is long enough'), {
      execute: [client.allowInsecureRequests]
    })
    const verifier = client.randomPKCECodeVerifier()
    const state = client.randomState()
    const nonce = client.randomNonce()
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirect,
      scope: 'openid profile email',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce
    })
    const visitor = new Visitor()
    const page = await visitor.follow(url.href, redirect)
    const action = /<form method="post" action="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail(page.body)
    const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
    const posted = await visitor.get(new URL(action, page.url).href, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ csrfToken, username: 'ana', password: 'correct horse' }).toString()
    })
    const back = await visitor.follow(new URL(posted.headers.get('location') ?? '', issuer).href, redirect)
    const answer = await client.authorizationCodeGrant(configuration, new URL(back.url), {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true
    })
    const claims = answer.claims() ?? assert.fail('no claims')
    const userinfo = await client.fetchUserInfo(configuration, answer.access_token, claims.sub)
    assert.deepEqual([userinfo.email, userinfo.preferred_username], ['ana@example.org', 'ana'])
    const refreshed = await client.refreshTokenGrant(configuration, answer.refresh_token ?? '')
    assert.equal((await client.tokenIntrospection(configuration, refreshed.access_token)).active, true)

    const out = client.buildEndSessionUrl(configuration, {
      id_token_hint: answer.id_token ?? '',
      post_logout_redirect_uri: 'http://127.0.0.1:1/bye',
      state: 's'
    })
    const left = await visitor.follow(out.href, 'http://127.0.0.1:1/bye')
    const landed = left.url.startsWith('http://127.0.0.1:1/bye') ? left.url : (await visitor.follow(`${left.url}/finish`, 'http://127.0.0.1:1/bye')).url
    assert.equal(landed, 'http://127.0.0.1:1/bye?state=s')
    assert.equal(tokens.length, 1)
    const keys = createRemoteJWKSet(new URL(configuration.serverMetadata().jwks_uri ?? ''))
    const { payload } = await jwtVerify(tokens[0] ?? '', keys, { issuer, audience: 'wiki', typ: 'logout+jwt' })
    assert.deepEqual([payload['sid'], payload.sub], [claims['sid'], claims.sub])
    assert.equal((await client.tokenIntrospection(configuration, refreshed.access_token)).active, false)
    await assert.rejects(client.refreshTokenGrant(configuration, refreshed.refresh_token ?? ''))
  })
})

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}
