import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../src/platform/clock.ts'
import { createOutbound, type Lookup, type Outbound } from '../../src/platform/outbound.ts'

/** What an attacker wants to reach through us. */
export interface Inside extends AsyncDisposable {
  readonly port: number
  readonly asked: string[]
}

/** A server inside, on loopback. */
export async function inside(answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end('secret')): Promise<Inside> {
  const asked: string[] = []
  const server: Server = createServer((request, response) => {
    asked.push(request.url ?? '')
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** The outbound door as it is by default: nothing private may be reached. */
export function door(lookup?: Lookup, allowPrivate: readonly string[] = [], perPeerMax = 4): Outbound & AsyncDisposable {
  const outbound = createOutbound({ clock: systemClock, allowPrivate, hosts: {}, perPeerMax, ...(lookup === undefined ? {} : { lookup }) })
  return { ...outbound, [Symbol.asyncDispose]: () => outbound.close() }
}
