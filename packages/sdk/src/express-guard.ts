import type { IncomingMessage, ServerResponse } from 'node:http'
import { guardNode } from './node-guard.ts'
import type { Guard } from './guard.ts'
import type { AppSession } from './session-registry.ts'

/** A request of Express after the guard: `session` is there when somebody is signed in. */
export interface GuardedRequest extends IncomingMessage {
  appSession?: AppSession
}

/**
 * Express middleware: answers the paths of the service provider and sets `request.appSession`. Put it before routes;
 * a body parser in front of it is fine.
 */
export function expressGuard(guard: Guard) {
  return (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void => {
    guardNode(guard, request, response)
      .then((result) => {
        if (result.kind === 'answered') return
        if (result.kind === 'signed-in') (request as GuardedRequest).appSession = result.session
        next()
      })
      .catch(next)
  }
}
