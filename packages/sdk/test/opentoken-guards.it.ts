import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { suite, test } from 'node:test'
import { agentConfigDefaults, serialiseAgentConfig } from '@curfew/codecs'
import express from 'express'
import fastify from 'fastify'
import {
  type AppSession,
  createMemorySessionRegistry,
  createOpenTokenAgent,
  createOpenTokenApplication,
  expressGuard,
  fastifyGuard,
  type GuardedRequest,
  guardNode,
  type OpenTokenApplication
} from '../src/index.ts'

const frameworks: Readonly<Record<string, (guard: OpenTokenApplication) => Promise<Server>>> = {
  'node:http': async (guard) =>
    createServer((request, response) => {
      guardNode(guard, request, response).then(
        (result) => result.kind === 'answered' || response.end(result.kind === 'signed-in' ? result.session.nameId.value : 'nobody'),
        () => response.writeHead(500).end()
      )
    }),
  Express: async (guard) => {
    const app = express()
    app.use(express.urlencoded({ extended: false }))
    app.use(expressGuard(guard))
    app.get('/', (request, response) => void response.send((request as unknown as GuardedRequest).appSession?.nameId.value ?? 'nobody'))
    return createServer(app)
  },
  Fastify: async (guard) => {
    const app = fastify()
    fastifyGuard(app, guard)
    app.get('/', async (request) => (request as { appSession?: AppSession | null }).appSession?.nameId.value ?? 'nobody')
    await app.ready()
    return createServer((request, response) => app.routing(request, response))
  }
}

const agentConfig = serialiseAgentConfig({ ...agentConfigDefaults, password: Buffer.from('shared secret') })
const ambient = { agentConfig, nowMs: Date.now, randomBytes }
const authority = createOpenTokenAgent(ambient)

for (const [name, create] of Object.entries(frameworks)) {
  suite(`OpenToken services for ${name}`, () => {
    test('a posted token opens a session, and a posted visit of the Logout Service ends it and goes back with an answer', async (t) => {
      const guard = createOpenTokenApplication({
        ...ambient,
        adapterId: 'forms',
        authorityUrl: 'http://login.example',
        baseUrl: 'http://forms.example',
        sessions: createMemorySessionRegistry()
      })
      const server = await create(guard)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      t.after(() => server.close().closeAllConnections())
      const address = server.address()
      const at = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
      const go = (path: string, init: RequestInit = {}) => fetch(`${at}${path}`, { redirect: 'manual', ...init })
      const start = await go('/opentoken/login?to=/')
      const state = start.headers.getSetCookie()[0]?.split(';')[0] ?? ''
      const target = new URL(new URL(start.headers.get('location') ?? '').searchParams.get('TargetResource') ?? '')
      const body = new URLSearchParams({ opentoken: authority.write({ subject: 'ana' }) })
      const parked = await go(target.pathname + target.search, { method: 'POST', body })
      const opened = await go(parked.headers.get('location') ?? '', { headers: { cookie: state } })
      const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? ''
      const who = async (): Promise<string> => (await go('/', { headers: { cookie } })).text()
      assert.equal(await who(), 'ana')
      const resume = '/sp/AAAAAAAAAAAAAAAAAAAAAA.BBBB/resume/sp/startSLO.ping'
      const visit = new URLSearchParams({ opentoken: authority.write({ subject: 'ana' }) })
      const again = await go(`/opentoken/slo?resume=${encodeURIComponent(resume)}`, { method: 'POST', body: visit })
      const back = new URL((await go(again.headers.get('location') ?? '', { headers: { cookie } })).headers.get('location') ?? '')
      assert.equal(back.origin + back.pathname, `http://login.example${resume}`)
      assert.deepEqual(authority.read(back.searchParams.get('opentoken') ?? '').attributes['logout'], ['ended'])
      assert.equal(await who(), 'nobody')
    })
  })
}
