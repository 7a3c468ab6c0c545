import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { agentConfigDefaults, encodeRedirect, serialiseAgentConfig, serialiseLogoutRequest } from '@curfew/codecs'
import { randomBytes } from 'node:crypto'
import { bodyBytesMax, createMemorySessionRegistry, createOpenTokenApplication } from '../src/index.ts'
import { cookiesOf, frameworks, type Go, serve } from './frameworks.ts'
import { issuer, setting } from './openid-provider.ts'
import { app, type Begun, createStage, requestId, type Stage } from './provider.ts'

/** Signs ana in by SAML, as a browser whose provider is another site; the cookies she has then. */
async function signInBySaml(stage: Stage, go: Go): Promise<string> {
  const begun = await beginBySaml(go)
  const posted = await consume(stage, go, begun)
  assert.deepEqual([posted.status, posted.headers.getSetCookie()], [303, []])
  const signedIn = await go(posted.headers.get('location') ?? '', { headers: { cookie: begun.cookie } })
  assert.deepEqual([signedIn.status, signedIn.headers.get('location')], [303, '/'])
  return cookiesOf(signedIn)
}

async function beginBySaml(go: Go): Promise<Begun> {
  const start = await go('/saml/login?to=/')
  return { cookie: cookiesOf(start), inResponseTo: requestId(start.headers.get('location') ?? '') }
}

function consume(stage: Stage, go: Go, { inResponseTo }: Begun): Promise<Response> {
  const SAMLResponse = Buffer.from(stage.response({ inResponseTo, id: `_a${inResponseTo.slice(1, 9)}` })).toString('base64')
  return go('/saml/acs', { method: 'POST', body: new URLSearchParams({ SAMLResponse }) })
}

const who = async (go: Go, cookie: string): Promise<string> => (await go('/', { headers: { cookie } })).text()

const soap = (stage: Stage, go: Go): Promise<Response> =>
  go('/saml/slo/soap', { method: 'POST', headers: { 'content-type': 'text/xml' }, body: stage.soap(stage.logoutRequest()) })

for (const [name, create] of Object.entries(frameworks)) {
  suite(`Guard by SAML for ${name}`, () => {
    test('signs in, says who it is, is signed out by SOAP, and an assertion that arrives late opens nothing', async (t) => {
      const stage = createStage()
      const go = await serve(t, create, stage.provider)
      const cookie = await signInBySaml(stage, go)
      assert.equal(await who(go, cookie), 'ana')
      const late = await beginBySaml(go)
      const answer = await soap(stage, go)
      assert.equal(answer.status, 200)
      assert.match(await answer.text(), /status:Success/)
      assert.equal(await who(go, cookie), 'nobody')
      assert.equal((await consume(stage, go, late)).status, 400)
      assert.match(await (await go('/saml/metadata')).text(), /EntityDescriptor/)
    })

    test('an answer that another browser asked for, and one that nobody did, open nothing: the identity provider is asked who is there', async (t) => {
      const stage = createStage()
      const go = await serve(t, create, stage.provider)
      const cookie = `${await signInBySaml(stage, go)}; ${(await beginBySaml(go)).cookie}`
      const asked = await consume(stage, go, await beginBySaml(go))
      const unsolicited = await go('/saml/acs', {
        method: 'POST',
        body: new URLSearchParams({ SAMLResponse: Buffer.from(stage.response({ id: '_u' })).toString('base64') })
      })
      for (const posted of [asked, unsolicited]) {
        assert.deepEqual([posted.status, posted.headers.getSetCookie()], [303, []])
        const answer = await go(posted.headers.get('location') ?? '', { headers: { cookie } })
        assert.match(answer.headers.get('location') ?? '', /^https:\/\/idp\.example\/sso\?SAMLRequest=/)
        assert.equal(answer.headers.getSetCookie().length, 1)
        assert.match(answer.headers.getSetCookie()[0] ?? '', /^app_session_saml_login=/)
      }
      assert.equal(await who(go, cookie), 'ana')
    })

    test('is signed out by a LogoutRequest by Redirect without any cookie, and an assertion that arrives late opens nothing', async (t) => {
      const stage = createStage()
      const go = await serve(t, create, stage.provider)
      const cookie = await signInBySaml(stage, go)
      const late = await beginBySaml(go)
      const parts = serialiseLogoutRequest(stage.logoutRequest({ destination: `${app}/saml/slo` }))
      const url = await encodeRedirect(`${app}/saml/slo`, { parameter: 'SAMLRequest', xml: parts.head + parts.tail, relayState: 'keep me' }, stage.idp)
      const answer = await go(url.slice(app.length))
      assert.match(answer.headers.get('location') ?? '', /^https:\/\/idp\.example\/slo\/done\?SAMLResponse=.*&RelayState=keep/)
      assert.equal(await who(go, cookie), 'nobody')
      assert.equal((await consume(stage, go, late)).status, 400)
    })

    test('answers 413 to a body over the limit, told or not told how long it is, and goes on', async (t) => {
      const stage = createStage()
      const go = await serve(t, create, stage.provider)
      const large = `SAMLResponse=${'A'.repeat(bodyBytesMax)}`
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      assert.equal((await go('/saml/acs', { method: 'POST', headers, body: large })).status, 413)
      const { port } = new URL((await go('/')).url)
      const chunked = httpRequest({ host: '127.0.0.1', port, path: '/saml/slo/soap', method: 'POST', headers: { 'content-type': 'text/xml' } })
      for (let i = 0; i < 5; i++) chunked.write('<'.repeat(bodyBytesMax / 4))
      chunked.end()
      const [answer] = (await once(chunked, 'response')) as [import('node:http').IncomingMessage]
      answer.resume()
      assert.equal(answer.statusCode, 413)
      const codes = stage.events.map((event) => (event.kind === 'refused' ? event.code : event.kind))
      assert.deepEqual(codes, ['CURFEW_HTTP_BODY_LIMIT', 'CURFEW_HTTP_BODY_LIMIT'])
      assert.equal(await who(go, await signInBySaml(stage, go)), 'ana')
    })
  })

  suite(`Guard by OpenID for ${name}`, () => {
    const begin = async (world: ReturnType<typeof setting>, go: Go): Promise<{ readonly state: string; readonly callback: string }> => {
      const start = await go('/oidc/login?to=/')
      return { state: cookiesOf(start), callback: world.authorize(start.headers.get('location') ?? '') }
    }
    const signIn = async (world: ReturnType<typeof setting>, go: Go): Promise<string> => {
      const { state, callback } = await begin(world, go)
      const answer = await go(callback, { headers: { cookie: state } })
      assert.equal(answer.headers.get('location'), '/')
      return cookiesOf(answer)
    }
    const logoutBy: Readonly<Record<string, (world: ReturnType<typeof setting>, go: Go) => Promise<Response>>> = {
      'a logout token by the back channel': async (world, go) =>
        go('/oidc/backchannel-logout', { method: 'POST', body: new URLSearchParams({ logout_token: await world.logoutToken() }) }),
      'a frame of the front channel': async (_, go) =>
        go(`/oidc/frontchannel-logout?${new URLSearchParams({ iss: issuer, sid: 's1' }).toString()}`, { headers: { 'sec-fetch-site': 'cross-site' } })
    }

    for (const [way, logout] of Object.entries(logoutBy)) {
      test(`is signed out by ${way} without any cookie, and a sign-in that it has overtaken opens nothing`, async (t) => {
        const world = setting()
        const go = await serve(t, create, world.party)
        const cookie = await signIn(world, go)
        assert.equal(await who(go, cookie), 'ana')
        const late = await begin(world, go)
        const answer = await logout(world, go)
        assert.deepEqual([answer.status, answer.headers.get('cache-control')], [200, 'no-store'])
        assert.equal(await who(go, cookie), 'nobody')
        assert.equal((await go(late.callback, { headers: { cookie: late.state } })).status, 400)
        assert.deepEqual(
          world.events.map((event) => (event.kind === 'signed-out' ? event.by : event.kind)),
          ['signed-in', way.includes('token') ? 'back-channel' : 'front-channel', 'refused']
        )
      })
    }

    test('a logout token that is forged ends nothing, and one over the limit is answered with 413', async (t) => {
      const world = setting()
      const go = await serve(t, create, world.party)
      const cookie = await signIn(world, go)
      const post = (token: string) => go('/oidc/backchannel-logout', { method: 'POST', body: new URLSearchParams({ logout_token: token }) })
      assert.equal((await post(`${(await world.logoutToken()).slice(0, -8)}AAAAAAAA`)).status, 400)
      assert.equal((await post('A'.repeat(bodyBytesMax))).status, 413)
      assert.equal(await who(go, cookie), 'ana')
    })
  })

  suite(`Two guards in one application for ${name}`, () => {
    test('each answers its own paths and signs out its own sessions', async (t) => {
      const [stage, world] = [createStage(), setting({ cookieName: 'wiki' })]
      const forms = createOpenTokenApplication({
        agentConfig: serialiseAgentConfig({ ...agentConfigDefaults, password: Buffer.from('shared secret') }),
        adapterId: 'forms',
        authorityUrl: 'http://login.example',
        baseUrl: 'http://forms.example',
        cookieName: 'forms',
        sessions: createMemorySessionRegistry(),
        nowMs: Date.now,
        randomBytes
      })
      const go = await serve(t, create, stage.provider, world.party, forms)
      const cookie = await signInBySaml(stage, go)
      assert.equal(await who(go, cookie), 'ana', 'a guard that knows nobody takes nothing from the one that does')
      assert.match((await go('/opentoken/login')).headers.get('location') ?? '', /^http:\/\/login\.example/)
      assert.equal(
        (await go('/oidc/backchannel-logout', { method: 'POST', body: new URLSearchParams({ logout_token: await world.logoutToken() }) })).status,
        200
      )
      assert.equal(await who(go, cookie), 'ana')
      assert.equal((await soap(stage, go)).status, 200)
      assert.equal(await who(go, cookie), 'nobody')
    })
  })
}

suite('Guard beside the parsers of an application', () => {
  for (const [name, expected] of [
    ['Express after its own parsers', '{"a":"1"}'],
    ['Fastify with a form parser before the guard', '{"a":"1"}'],
    ['Fastify with parsers of its own', '{"a":"1"}']
  ] as const) {
    test(`${name}: its own routes get what they got before`, async (t) => {
      const go = await serve(t, frameworks[name], createStage().provider)
      assert.equal(await (await go('/form', { method: 'POST', body: new URLSearchParams({ a: '1' }) })).text(), expected)
    })
  }

  test('Fastify without a form parser: a form is of a type that the application does not read', async (t) => {
    const go = await serve(t, frameworks['Fastify'], createStage().provider)
    assert.equal((await go('/form', { method: 'POST', body: new URLSearchParams({ a: '1' }) })).status, 415)
  })
})
