import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { TestContext } from 'node:test'
import formbody from '@fastify/formbody'
import express from 'express'
import fastify, { type FastifyInstance } from 'fastify'
import { type AppSession, expressGuard, fastifyGuard, type Guard, type GuardedRequest, guardNode } from '../src/index.ts'

/**
 * The same small application in every framework: `GET /` says who is signed in, or `nobody`; `POST /form` answers with the
 * JSON of the form that came, where the application reads forms at all. The guards stand in front, in their order.
 */
type Create = (guards: readonly Guard[]) => Promise<Server>

export const frameworks: Readonly<Record<string, Create>> = {
  'node:http': async (guards) =>
    createServer((request, response) => {
      const answer = async (): Promise<void> => {
        let who = 'nobody'
        for (const guard of guards) {
          const result = await guardNode(guard, request, response)
          if (result.kind === 'answered') return
          if (result.kind === 'signed-in') who = result.session.nameId.value
        }
        response.end(who)
      }
      answer().catch(() => response.writeHead(500).end())
    }),
  Express: async (guards) => expressServer(guards, () => undefined),
  'Express after its own parsers': async (guards) =>
    expressServer(guards, (app) =>
      app.use(express.urlencoded({ extended: true, limit: '1mb' }), express.json(), express.text({ type: 'text/xml', limit: '1mb' }))
    ),
  'Express after a parser that leaves an empty object where it reads nothing': async (guards) =>
    expressServer(guards, (app) =>
      app.use(express.urlencoded({ extended: false, limit: '1mb' }), (request, _response, next) => {
        request.body ??= {}
        next()
      })
    ),
  Fastify: async (guards) => fastifyServer(guards, () => undefined),
  'Fastify with a form parser before the guard': async (guards) => fastifyServer(guards, (app) => void app.register(formbody)),
  'Fastify with parsers of its own': async (guards) =>
    fastifyServer(guards, (app) =>
      app.addContentTypeParser(['application/x-www-form-urlencoded', 'text/xml'], { parseAs: 'string' }, (_request, body, done) =>
        done(null, Object.fromEntries(new URLSearchParams(String(body))))
      )
    )
}

function expressServer(guards: readonly Guard[], prepare: (app: express.Express) => unknown): Server {
  const app = express()
  prepare(app)
  for (const guard of guards) app.use(expressGuard(guard))
  app.get('/', (request, response) => void response.send((request as unknown as GuardedRequest).appSession?.nameId.value ?? 'nobody'))
  app.post('/form', (request, response) => void response.json(request.body))
  return createServer(app)
}

async function fastifyServer(guards: readonly Guard[], prepare: (app: FastifyInstance) => unknown): Promise<Server> {
  const app = fastify()
  prepare(app)
  for (const guard of guards) fastifyGuard(app, guard)
  app.get('/', async (request) => (request as { appSession?: AppSession | null }).appSession?.nameId.value ?? 'nobody')
  app.post('/form', async (request) => request.body)
  await app.ready()
  return createServer((request, response) => app.routing(request, response))
}

/** A request to the running application; redirects are for the test to follow. */
export type Go = (path: string, init?: RequestInit) => Promise<Response>

/** Starts it at a port of this machine until the test is over. */
export async function serve(t: TestContext, create: Create | undefined, ...guards: readonly Guard[]): Promise<Go> {
  if (create === undefined) throw new RangeError('no such framework')
  const server = await create(guards)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  const address = server.address()
  const at = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
  return (path, init = {}) => fetch(`${at}${path}`, { redirect: 'manual', ...init })
}

/** The cookies an answer sets, as a browser sends them back. */
export function cookiesOf(answer: Response): string {
  return answer.headers
    .getSetCookie()
    .filter((line) => !line.includes('Max-Age=0'))
    .map((line) => line.split(';')[0] ?? '')
    .join('; ')
}
