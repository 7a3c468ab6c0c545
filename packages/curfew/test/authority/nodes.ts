import { createServer, type IncomingMessage } from 'node:http'
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { AuthorityContext } from '../../src/authority/context.ts'
import type { PollReceiver } from '../../src/authority/shared-signals/poll-receiver.ts'
import { headerBytesMax } from '../../src/authority/server.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { Store } from '../../src/stores/store.ts'
import { testSetting, testTurns } from '../support/modes.ts'
import { createSeededRandom } from '../support/seeded-random.ts'
import { type NodeStores, openNodeStores } from '../support/node-stores.ts'
import type { FakeClock } from './fake-clock.ts'
import { joinNodeStores } from './joined-nodes.ts'
import type { KitOptions } from './kit.ts'
import { storeSeen } from './store-seen.ts'
import { type AuthorityNode, createNode, type Surroundings } from './node.ts'

/** The nodes of one authority, as if they were one. */
export interface Nodes extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly ctx: AuthorityContext
  readonly store: Store
  readonly pollReceiver: PollReceiver
  /** Absent: the store is the one of the test. */
  readonly nodeStores?: NodeStores
  /** The nodes end, their stores stay open. */
  stop(): Promise<void>
  /** What the requests of one more browser go to. */
  appOfBrowser(): FastifyInstance
}

const capacityDefault = 1_000

/** Starts the nodes that the mode of this run has. A test that brings its store, or joins groups, is about just that. */
export async function startNodes(options: KitOptions, around: Surroundings, clock: FakeClock): Promise<Nodes> {
  const capacity = options.capacity ?? capacityDefault
  const setting = options.setting ?? testSetting
  const { after } = options
  if (setting === undefined || options.store !== undefined || options.join !== undefined) {
    const { group, join, signalsHome } = options
    const store = options.store ?? after?.store ?? createMemoryStore({ capacity })
    const node = await createNode(options, around, {
      name: 'test',
      store,
      seed: 0,
      clock,
      ...(group === undefined ? {} : { group }),
      ...(join === undefined ? {} : { join }),
      ...(signalsHome === undefined ? {} : { signalsHome })
    })
    const running = new AsyncDisposableStack()
    running.use(node)
    const stop = (): Promise<void> => running.disposeAsync()
    return { ...node, store, appOfBrowser: () => node.app, stop, [Symbol.asyncDispose]: stop }
  }
  await using opened = new AsyncDisposableStack()
  const stores = after?.nodeStores ?? opened.use(await openNodeStores(setting, capacity))
  const running = opened.use(new AsyncDisposableStack())
  const shared = quickLooks(clock)
  const joined = running.use(joinNodeStores(stores, shared))
  const nodes: AuthorityNode[] = []
  for (const [i, { store, join, signalsHome }] of joined.nodes.entries()) {
    const group = stores.nodes[i]?.group?.letter
    const parts = {
      name: `test-${i}`,
      store,
      seed: i * 1_000_000 + (after === undefined ? 0 : 500_000),
      clock: shared,
      ...(group === undefined ? {} : { group }),
      ...(join === undefined ? {} : { join }),
      ...(signalsHome === undefined ? {} : { signalsHome })
    }
    nodes.push(running.use(await createNode(options, around, parts)))
  }
  await joined.start()
  const [first, ...others] = nodes
  if (first === undefined) throw new Error('this mode has no nodes')
  const all = [first, ...others] as const
  const parts = opened.move()
  const ending = { nodeStores: stores, stop: () => running.disposeAsync(), [Symbol.asyncDispose]: () => parts.disposeAsync() }
  if (nodes.length === 1) return { ...first, store: first.ctx.store, appOfBrowser: () => first.app, ...ending }
  const store = storeSeen(
    nodes.map(({ ctx }) => ctx.store),
    { groups: stores.groups, settle: joined.settle }
  )
  const { settle } = joined
  const { groups } = stores
  const app = balanced(all, { settle, route: testTurns === undefined ? inTurn(all) : atRandom(all, testTurns), sticks: groups === 'regions' })
  // A browser stays in one region, another one comes to the next.
  const nextRegion = inTurn(all)
  const appOfBrowser = (): FastifyInstance => {
    if (groups !== 'regions') return app
    const region = nextRegion('')
    return balanced(all, { settle, route: () => region })
  }
  const engine: Engine = {
    ...first.ctx.engine,
    endExpired: () => endExpired(all),
    async endSessions(request) {
      await settle()
      return first.ctx.engine.endSessions(request)
    }
  }
  return { ctx: { ...first.ctx, store, engine }, store, pollReceiver: first.pollReceiver, app, appOfBrowser, ...ending }
}

/** Each node ends those that it can see. */
async function endExpired(nodes: readonly AuthorityNode[]): Promise<number> {
  let ended = 0
  for (const { ctx } of nodes) ended += await ctx.engine.endExpired()
  return ended
}

/** What is looked at again and again in the store of others, because they say nothing by themselves, is looked at in real time. */
function quickLooks(clock: FakeClock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    after(delayMs, fn) {
      if (delayMs > lookMsMax) return clock.after(delayMs, fn)
      let isDone = false
      const once = (): void => {
        if (isDone) return
        isDone = true
        cancel()
        fn()
      }
      const timers = [clock.after(delayMs, once), systemClock.after(delayMs, once)]
      const cancel = (): void => timers.forEach((timer) => timer.cancel())
      return { cancel }
    }
  }
}

const lookMsMax = 250

/** Which node takes a request. */
type Route = (request: InjectOptions | string) => AuthorityNode

/** Any node, in an order that the seed repeats: a fault that two requests in turn hide shows. */
function atRandom(nodes: readonly [AuthorityNode, ...AuthorityNode[]], seed: number): Route {
  const random = createSeededRandom(seed)
  return () => nodes[Math.floor(random.fraction() * nodes.length)] ?? nodes[0]
}

/** One node after the other. */
function inTurn(nodes: readonly [AuthorityNode, ...AuthorityNode[]]): Route {
  let turn = -1
  return () => {
    turn = (turn + 1) % nodes.length
    return nodes[turn] ?? nodes[0]
  }
}

/** The nodes as if they were one: each request when what the one before has changed is known everywhere. */
function balanced(
  nodes: readonly [AuthorityNode, ...AuthorityNode[]],
  { route, settle, sticks = false }: { readonly route: Route; readonly settle: () => Promise<void>; readonly sticks?: boolean }
): FastifyInstance {
  const [first] = nodes
  const next = async (request: InjectOptions | string): Promise<FastifyInstance> => {
    await settle()
    return route(request).app
  }
  // Who listens has a real browser before it, which stays in one region.
  let stays: FastifyInstance | undefined
  const appFor = async (request: IncomingMessage): Promise<FastifyInstance> => {
    const isBrowser = request.headers.cookie !== undefined || request.headers.accept?.includes('text/html') === true
    if (!sticks || !isBrowser) return next('')
    await settle()
    stays ??= route('').app
    return stays
  }
  const front = createServer({ maxHeaderSize: headerBytesMax }, (request, response) => {
    appFor(request).then(
      (app) => app.routing(request, response),
      (error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error)))
    )
  })
  const own = {
    inject: async (request: InjectOptions | string) => (await next(request)).inject(request),
    listen: ({ port = 0, host = '127.0.0.1' }: { readonly port?: number; readonly host?: string } = {}) =>
      new Promise<string>((resolve, reject) => {
        front.on('error', reject).listen(port, host, () => {
          const address = front.address()
          resolve(`http://${host}:${typeof address === 'object' ? (address?.port ?? port) : port}`)
        })
      }),
    server: front
  }
  return new Proxy(first.app, { get: (app, name) => Reflect.get(own, name) ?? Reflect.get(app, name, app) })
}
