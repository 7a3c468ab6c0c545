import { createServer } from 'node:http'
import { type AppSession, fastifyGuard } from '@curfew/sdk'
import fastify, { type FastifyRequest } from 'fastify'
import { type Example, type ExampleOptions, guarded } from './options.ts'

/** Fastify, with a stream of events that ends with the session. */
export async function fastifyExample(options: ExampleOptions): Promise<Example> {
  const { guard, sessions } = guarded(options)
  const app = fastify()
  fastifyGuard(app, guard)
  app.get('/', async (request, reply) => {
    const session = sessionOf(request)
    return session === undefined ? reply.redirect(guard.loginPath(request.url), 303) : `Hello ${session.nameId.value}`
  })
  app.get('/live', async (request, reply) => {
    const session = sessionOf(request)
    if (session === undefined) return reply.code(401).send('')
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hello\n\n')
    reply.raw.on(
      'close',
      sessions.hold(session, (_code, reason) => reply.raw.end(`event: over\ndata: ${reason}\n\n`))
    )
    return reply
  })
  await app.ready()
  return { server: createServer((request, response) => app.routing(request, response)), sessions }
}

function sessionOf(request: FastifyRequest): AppSession | undefined {
  return (request as { appSession?: AppSession | null }).appSession ?? undefined
}
