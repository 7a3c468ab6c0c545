import { createServer } from 'node:http'
import { expressGuard, type GuardedRequest } from '@curfew/sdk'
import express from 'express'
import { type Example, type ExampleOptions, guarded } from './options.ts'

/** Express, with a stream of events that ends with the session. */
export function expressExample(options: ExampleOptions): Example {
  const { guard, sessions } = guarded(options)
  const app = express()
  app.use(expressGuard(guard))
  app.use((request, response, next) => {
    if ((request as unknown as GuardedRequest).appSession === undefined) response.redirect(303, guard.loginPath(request.originalUrl))
    else next()
  })
  app.get('/', (request, response) => void response.send(`Hello ${(request as unknown as GuardedRequest).appSession?.nameId.value ?? ''}`))
  app.get('/live', (request, response) => {
    const session = (request as unknown as GuardedRequest).appSession
    if (session === undefined) return void response.sendStatus(401)
    response.type('text/event-stream').write('data: hello\n\n')
    response.on(
      'close',
      sessions.hold(session, (_code, reason) => response.end(`event: over\ndata: ${reason}\n\n`))
    )
  })
  return { server: createServer(app), sessions }
}
