import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import { WebSocket } from 'undici'
import { createGatewayKit, type GatewayKit } from './kit.ts'
import { createPlainProvider, plainClient, type PlainClientMetadata, type PlainProvider } from './plain-provider.ts'
import { type Answer, Visitor } from './visitor.ts'
import { anywhere } from './web-socket-client.ts'
import { acceptWebSocket } from './web-socket-server.ts'

interface World extends AsyncDisposable {
  readonly kit: GatewayKit
  readonly provider: PlainProvider
  /** Signs in through the gateway. */
  signIn(account: string): Promise<Visitor>
}

/** The gateway in front of oidc-provider, which knows nothing of revocation lists. `GATEWAY` stands for the gateway's own address. */
async function createWorld(
  client: PlainClientMetadata,
  more: { readonly useSingleLogout?: boolean; readonly logoutRedirectUri?: string } = {}
): Promise<World> {
  const provider = await createPlainProvider()
  const kit = await createGatewayKit({
    provider: { ...plainClient, issuer: provider.issuer, ...more },
    gateway: { sessionCheck: { feed: false } }
  })
  kit.upstream.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => undefined)
    acceptWebSocket(request, socket)
  })
  const gateway = `http://127.0.0.1:${new URL(kit.wiki).port}`
  const addressed = JSON.parse(JSON.stringify(client).replaceAll('GATEWAY', gateway).replaceAll('WIKI', kit.wiki)) as PlainClientMetadata
  await provider.start([`${kit.wiki}/pa/oidc/cb`], addressed)
  return {
    kit,
    provider,
    async signIn(account) {
      provider.account = account
      const visitor = new Visitor()
      const page = await visitor.follow(`${kit.wiki}/notes`)
      assert.equal(page.status, 200, page.body.slice(0, 500))
      return visitor
    },
    async [Symbol.asyncDispose]() {
      await kit[Symbol.asyncDispose]()
      await provider[Symbol.asyncDispose]()
    }
  }
}

const ask = ({ kit }: World, visitor: Visitor): Promise<Answer> => visitor.ask(`${kit.wiki}/notes`)

/** A WebSocket under the session of a browser; the promise is what its close frame says. */
async function openSocket({ kit }: World, visitor: Visitor): Promise<{ readonly closed: Promise<readonly [number, string]> }> {
  const cookie = [...visitor.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ')
  const socket = new WebSocket(`${kit.wiki.replace('http', 'ws')}/live`, { headers: { cookie }, dispatcher: anywhere })
  const closed = once(socket, 'close').then(([event]: { code: number; reason: string }[]) => [event?.code ?? 0, event?.reason ?? ''] as const)
  await once(socket, 'open')
  return { closed }
}

suite('The gateway in front of another OpenID provider', () => {
  test('a sign-out at the gateway goes through its end session endpoint, with the ID token and the landing address', async () => {
    await using world = await createWorld(
      { post_logout_redirect_uris: ['https://www.example.com/bye'] },
      { useSingleLogout: true, logoutRedirectUri: 'https://www.example.com/bye' }
    )
    const { kit, provider } = world
    const ana = await world.signIn('ana')
    const copy = ana.copy()
    const left = await ana.ask(`${kit.wiki}/pa/oidc/logout`)
    assert.equal(left.status, 303)
    const end = new URL(String(left.headers.location))
    assert.equal(end.origin + end.pathname, `${provider.issuer}/session/end`)
    const { id_token_hint: hint = '', ...rest } = Object.fromEntries(end.searchParams)
    assert.deepEqual(rest, { client_id: 'gate', post_logout_redirect_uri: 'https://www.example.com/bye' })
    const { iss, aud, sub } = decodeJwt(hint)
    assert.deepEqual([iss, aud, sub], [provider.issuer, 'gate', 'ana'])
    assert.equal((await provider.signOut(ana, end.href)).headers.location, 'https://www.example.com/bye')
    assert.equal((await ask(world, copy)).status, 303, 'a copy of the cookie is refused')
    const again = await ask(world, ana)
    const authorization = await ana.ask(String(again.headers.location))
    assert.match(String(authorization.headers.location), /\/interaction\//, 'the provider asks who is there')
  })

  test('a sign-out with a cookie of somebody else planted beside the own one shows the ID token of neither', async () => {
    await using world = await createWorld({}, { useSingleLogout: true })
    const { kit } = world
    const [ana, mallory] = [await world.signIn('ana'), await world.signIn('mallory')]
    const [own, planted] = [ana, mallory].map((one) => `PA.ACE_ws=${one.jar(kit.wiki).get('PA.ACE_ws') ?? assert.fail()}`)
    const hint = async (...cookies: readonly (string | undefined)[]): Promise<string | null> => {
      const { headers } = await new Visitor().ask(`${kit.wiki}/pa/oidc/logout`, { headers: { cookie: cookies.join('; ') } })
      return new URL(headers.location ?? assert.fail()).searchParams.get('id_token_hint')
    }
    assert.deepEqual([await hint(planted, own), await hint(own, planted)], [null, null])
    assert.equal(decodeJwt((await hint(own, own)) ?? '').sub, 'ana')
  })

  test('a picture with Use Single-Logout is of the host alone, whoever the sessions are of: this provider can not be told without a browser', async () => {
    await using world = await createWorld({}, { useSingleLogout: true })
    const { kit } = world
    const visitors = [await world.signIn('ana'), await world.signIn('mallory')]
    const cookie = visitors.map((one) => `PA.ACE_ws=${one.jar(kit.wiki).get('PA.ACE_ws') ?? assert.fail()}`).join('; ')
    const headers = { cookie, 'sec-fetch-dest': 'image', 'sec-fetch-site': 'same-origin' }
    assert.equal((await new Visitor().ask(`${kit.wiki}/pa/oidc/logout.png`, { headers })).status, 200)
    for (const one of visitors) assert.equal((await ask(world, one)).status, 303)
  })

  test('a logout token with a sid ends that web session and its open WebSocket, and no other of the same person', async () => {
    await using world = await createWorld({ backchannel_logout_uri: 'GATEWAY/pa/oidc/backchannel', backchannel_logout_session_required: true })
    const [here, elsewhere] = [await world.signIn('ana'), await world.signIn('ana')]
    const socket = await openSocket(world, here)
    await openSocket(world, elsewhere)
    await world.provider.signOut(here)
    assert.deepEqual(await socket.closed, [4001, 'session ended'])
    assert.equal((await ask(world, here)).status, 303)
    assert.equal((await ask(world, elsewhere)).status, 200)
    assert.equal(world.kit.gateway.context.live.count, 1)
  })

  test('a logout token that names a user only ends every web session of that user, and of nobody else', async () => {
    await using world = await createWorld({ backchannel_logout_uri: 'GATEWAY/pa/oidc/backchannel', backchannel_logout_session_required: false })
    const [here, elsewhere, ben] = [await world.signIn('ana'), await world.signIn('ana'), await world.signIn('ben')]
    const sockets = [await openSocket(world, here), await openSocket(world, elsewhere)]
    await openSocket(world, ben)
    await world.provider.signOut(here)
    for (const { closed } of sockets) assert.deepEqual(await closed, [4001, 'session ended'])
    assert.deepEqual([(await ask(world, here)).status, (await ask(world, elsewhere)).status, (await ask(world, ben)).status], [303, 303, 200])
    assert.equal(world.kit.gateway.context.live.count, 1)
  })

  test('a frame on its sign-out page ends the web session and its open WebSocket', async () => {
    await using world = await createWorld({ frontchannel_logout_uri: 'WIKI/pa/oidc/frontchannel' })
    const [here, elsewhere] = [await world.signIn('ana'), await world.signIn('ana')]
    const socket = await openSocket(world, here)
    await world.provider.signOut(here)
    assert.deepEqual(await socket.closed, [4001, 'session ended'])
    assert.deepEqual([(await ask(world, here)).status, (await ask(world, elsewhere)).status], [303, 200])
  })
})
