import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { suite, test } from 'node:test'
import { senderSidsMax } from '../../src/gateway/session/ended-by-provider.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { type Server, skipReason, startServer } from '../stores/redis/servers.ts'
import { type AnotherGateway, createGatewayKit, type GatewayKit, type GatewayKitOptions } from './kit.ts'
import { createPlainProvider, plainClient, type PlainClientMetadata, type PlainProvider } from './plain-provider.ts'
import { Visitor } from './visitor.ts'
import { openAt } from './web-socket-client.ts'
import { acceptWebSocket } from './web-socket-server.ts'

/** Two gateways in front of oidc-provider, which tells the first one only, and one Redis between them. */
interface World extends AsyncDisposable {
  readonly kit: GatewayKit
  readonly second: AnotherGateway
  readonly redis: Server
  readonly provider: PlainProvider
  signIn(): Promise<Visitor>
  /** What the first gateway, and the second, says to a browser. */
  statuses(visitor: Visitor): Promise<readonly [number, number]>
}

const held: ServerResponse[] = []

async function createWorld(client: PlainClientMetadata = {}, options: GatewayKitOptions = {}): Promise<World> {
  const redis = await startServer()
  const provider = await createPlainProvider()
  const kit = await createGatewayKit({
    ...options,
    provider: { ...options.provider, ...plainClient, issuer: provider.issuer },
    gateway: { sessionCheck: { feed: false, staleSeconds: 2 }, shared: { nodes: [`redis://127.0.0.1:${redis.port}`] } },
    upstream(request, response) {
      if (request.url === '/held') held.push(response)
      else response.end('inside')
    }
  })
  kit.upstream.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => undefined)
    acceptWebSocket(request, socket)
  })
  const second = await kit.startAnother()
  const gateway = `http://127.0.0.1:${new URL(kit.wiki).port}`
  await provider.start(
    [`${kit.wiki}/pa/oidc/cb`],
    JSON.parse(JSON.stringify(client).replaceAll('GATEWAY', gateway).replaceAll('WIKI', kit.wiki)) as PlainClientMetadata
  )
  return {
    kit,
    second,
    redis,
    provider,
    async signIn() {
      const visitor = new Visitor()
      assert.equal((await visitor.follow(`${kit.wiki}/`)).status, 200)
      return visitor
    },
    statuses: async (visitor) => [(await visitor.copy().ask(`${kit.wiki}/`)).status, (await second.ask(visitor.copy(), `${kit.wiki}/`)).status],
    async [Symbol.asyncDispose]() {
      await kit[Symbol.asyncDispose]()
      await provider[Symbol.asyncDispose]()
      await redis.stop()
    }
  }
}

/** Until the second gateway says so: it gets to know within a moment. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 20_000
  while (!(await isSo())) {
    assert.ok(performance.now() < endMs, 'it never came')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** What the provider calls the session of a browser. */
function sidOf({ kit }: World, visitor: Visitor): string {
  const { cookies, settings, clock } = kit.gateway.context
  const webSession = settings.applications[0]?.webSession ?? assert.fail()
  const cookie = `PA.ACE_ws=${visitor.jar(kit.wiki).get('PA.ACE_ws') ?? assert.fail()}`
  return cookies.read(webSession, cookie, new URL(kit.wiki).host, clock.nowMs())?.session.sid ?? assert.fail()
}

/** A WebSocket at the second gateway; the promise is the code of its close frame. */
function socketAtSecond({ kit, second }: World, visitor: Visitor): Promise<{ readonly code: Promise<number> }> {
  const cookie = [...visitor.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ')
  return openAt(second.url, { host: new URL(kit.wiki).host, cookie })
}

suite('Endings that gateways tell each other', { skip: skipReason }, () => {
  test('a sign-out of one host is one at every gateway, for copies of its cookie too, and after a restart', async () => {
    await using world = await createWorld()
    const { kit, second } = world
    const [ana, other] = [await world.signIn(), await world.signIn()]
    const copy = ana.copy()
    assert.deepEqual(await world.statuses(copy), [200, 200])
    const { code } = await socketAtSecond(world, copy)
    assert.equal((await ana.ask(`${kit.wiki}/pa/oidc/logout`)).status, 200)
    assert.equal(await code, 4001)
    assert.deepEqual(await world.statuses(copy), [303, 303])
    await kit.restartGateway()
    const third = await kit.startAnother()
    assert.deepEqual(await world.statuses(copy), [303, 303])
    assert.equal((await third.ask(copy, `${kit.wiki}/`)).status, 303)
    assert.deepEqual(await world.statuses(other), [200, 200])
    assert.equal((await second.ask(other.copy(), `${kit.wiki}/pa/oidc/logout.png`)).status, 200)
    await until(async () => (await world.statuses(other))[0] === 303)
  })

  test('a logout token that one gateway was sent ends the session at all of them: by sid, and by user', async () => {
    for (const hasSid of [true, false]) {
      await using world = await createWorld({ backchannel_logout_uri: 'GATEWAY/pa/oidc/backchannel', backchannel_logout_session_required: hasSid })
      const [ana, elsewhere] = [await world.signIn(), await world.signIn()]
      world.provider.account = 'ben'
      const ben = await world.signIn()
      const { code } = await socketAtSecond(world, ana)
      await world.provider.signOut(ana)
      assert.equal(await code, 4001)
      assert.deepEqual(await world.statuses(ana), [303, 303])
      assert.deepEqual(await world.statuses(elsewhere), hasSid ? [200, 200] : [303, 303])
      assert.deepEqual(await world.statuses(ben), [200, 200])
      await world.kit.restartGateway()
      assert.equal((await world.statuses(ana))[0], 303)
      assert.equal((await world.statuses(ben))[0], 200)
    }
  })

  test('a frame that one gateway was asked for ends the session at all of them', async () => {
    await using world = await createWorld({ frontchannel_logout_uri: 'WIKI/pa/oidc/frontchannel' })
    const [ana, elsewhere] = [await world.signIn(), await world.signIn()]
    const { code } = await socketAtSecond(world, ana)
    await world.provider.signOut(ana)
    assert.equal(await code, 4001)
    assert.deepEqual(
      [await world.statuses(ana), await world.statuses(elsewhere)],
      [
        [303, 303],
        [200, 200]
      ]
    )
  })

  test('a frame that comes with its cookie ends that session at all of them, and clears it, also when its sender is beyond its share', async () => {
    await using world = await createWorld({ frontchannel_logout_uri: 'WIKI/pa/oidc/frontchannel' })
    const { kit, provider } = world
    const [ana, elsewhere] = [await world.signIn(), await world.signIn()]
    const copy = ana.copy()
    const { context } = kit.gateway
    for (let i = 0; i < senderSidsMax; i++) context.endedByProvider.endSid(provider.issuer, `any-${i}`, '127.0.0.1')
    const sid = sidOf(world, ana)
    const parameters = new URLSearchParams({ iss: provider.issuer, sid })
    const frame = await ana.ask(`${kit.wiki}/pa/oidc/frontchannel?${parameters.toString()}`, { headers: { 'sec-fetch-dest': 'iframe' } })
    assert.deepEqual([frame.status, ana.jar(kit.wiki).has('PA.ACE_ws')], [200, false])
    await until(async () => (await world.statuses(copy)).every((status) => status === 303))
    const other = new URLSearchParams({ iss: provider.issuer, sid: sidOf(world, elsewhere) })
    const without = await new Visitor().ask(`${kit.wiki}/pa/oidc/frontchannel?${other.toString()}`)
    assert.equal(without.status, 503, 'of what comes without a cookie the others are not told')
  })

  test('a cookie that another gateway wrote anew meanwhile does not bring the session back', async () => {
    await using world = await createWorld({}, { webSession: { refreshUserSeconds: 1 } })
    const { kit, second } = world
    const ana = await world.signIn()
    const jar = (visitor: Visitor): string | undefined => visitor.jar(kit.wiki).get('PA.ACE_ws')
    const renewed = ana.copy()
    await until(async () => {
      assert.equal((await second.ask(renewed, `${kit.wiki}/`)).status, 200)
      return jar(renewed) !== jar(ana)
    })
    const parallel = renewed.copy()
    const answer = second.ask(parallel, `${kit.wiki}/held`)
    await until(async () => held.length > 0)
    assert.equal((await ana.ask(`${kit.wiki}/pa/oidc/logout`)).status, 200)
    const { status, headers } = await answer
    assert.equal(status, 303)
    assert.ok(!(headers['set-cookie'] ?? []).some((cookie) => cookie.startsWith('PA.ACE_ws=')))
    held.splice(0)
    assert.deepEqual(await world.statuses(renewed), [303, 303])
  })

  test('AC-058 without the servers nobody is let in once what is known is too old, nothing is called ended, and what ended meanwhile is told later', async () => {
    await using world = await createWorld({ backchannel_logout_uri: 'GATEWAY/pa/oidc/backchannel', backchannel_logout_session_required: true })
    const { kit, redis } = world
    const [ana, ben, eva] = [await world.signIn(), await world.signIn(), await world.signIn()]
    const copies = [ana.copy(), ben.copy()]
    const { code } = await socketAtSecond(world, eva)
    redis.kill('SIGKILL')
    const page = await ana.ask(`${kit.wiki}/pa/oidc/logout`)
    assert.equal(page.status, 503)
    assert.match(page.body, /CURFEW_GATEWAY_ENDINGS_UNSHARED/)
    assert.equal(ana.jar(kit.wiki).has('PA.ACE_ws'), false, 'it ended here')
    const picture = await ben.ask(`${kit.wiki}/pa/oidc/logout.png`)
    assert.deepEqual([picture.status, picture.headers['set-cookie']], [503, undefined], 'AC-058 the cookie is left alone')
    assert.equal(await code, 4001, 'what is open is closed')
    await until(async () => (await world.statuses(eva)).every((status) => status === 503))
    await redis.restart()
    await until(async () => (await world.statuses(eva)).every((status) => status === 200))
    for (const copy of copies) await until(async () => (await world.statuses(copy)).every((status) => status === 303))
  })

  test('a sign-out that goes on at the provider ends here all the same, and the log says that the others could not be told', async () => {
    const lines: string[] = []
    const logger = createLogger({ level: 'error' }, { write: (line) => void lines.push(line) })
    await using world = await createWorld({}, { logger, provider: { useSingleLogout: true } })
    const { kit, redis, provider } = world
    const ana = await world.signIn()
    const copy = ana.copy()
    redis.kill('SIGKILL')
    const { status, headers } = await ana.ask(`${kit.wiki}/pa/oidc/logout`)
    assert.deepEqual([status, new URL(headers.location ?? assert.fail()).origin], [303, new URL(provider.issuer).origin])
    assert.equal((await copy.ask(`${kit.wiki}/`)).status, 303)
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === 'gateway.endings-unshared')
    assert.deepEqual(
      told.map(({ code, host }) => [code, host]),
      [['CURFEW_GATEWAY_ENDINGS_UNSHARED', new URL(kit.wiki).host]]
    )
  })

  test('a logout token that could not be told to the others is not answered with success', async () => {
    await using world = await createWorld({ backchannel_logout_uri: 'GATEWAY/pa/oidc/backchannel', backchannel_logout_session_required: true })
    const ana = await world.signIn()
    world.redis.kill('SIGKILL')
    await world.provider.signOut(ana)
    assert.deepEqual(world.provider.backChannel, ['refused'])
    await world.redis.restart()
    await until(async () => (await world.statuses(ana)).every((status) => status === 303))
  })

  test('what somebody without the secret wrote to the servers ends nothing', async () => {
    await using world = await createWorld()
    const ana = await world.signIn()
    const forged = JSON.stringify({ kind: 'subject', subject: 'ana', atMs: Number.MAX_SAFE_INTEGER })
    for (const text of [forged, 'junk', '']) await world.redis.command('XADD', 'curfew:{gateway}:endings', '*', 'e', text)
    const other = await world.signIn()
    await other.ask(`${world.kit.wiki}/pa/oidc/logout`)
    const copy = other.copy()
    await until(async () => (await world.statuses(copy))[1] === 303)
    assert.deepEqual(await world.statuses(ana), [200, 200])
  })
})
