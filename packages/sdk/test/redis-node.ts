import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createClient } from '@redis/client'
import { createRedisSessionRegistry, createRelyingParty, type Fetch, guardNode } from '../src/index.ts'
import { baseUrl, issuer, secret } from './openid-provider.ts'

/**
 * One process of an application with several: an OpenID guard with its sessions in a Redis of the application. Arguments:
 * port of Redis, port where the provider is reached, own port. Says `ready` when it listens.
 */
const [redisPort, providerPort, ownPort] = process.argv.slice(2)
const say = (line: string): boolean => process.stdout.write(`${line}\n`)
const client = createClient({ url: `redis://127.0.0.1:${redisPort}` })
client.on('error', (error: Error) => void process.stderr.write(error.message))
await client.connect()
const party = createRelyingParty({
  issuer,
  clientId: 'wiki',
  clientSecret: secret,
  baseUrl,
  sessions: createRedisSessionRegistry({ send: (parts) => client.sendCommand(parts), prefix: 'wiki' }),
  fetch: ((url, init) => fetch(url.replace(issuer, `http://127.0.0.1:${providerPort}`), init)) as Fetch,
  nowMs: Date.now,
  randomBytes,
  onEvent: (event) => void say(JSON.stringify({ kind: event.kind }))
})
createServer((request, response) => {
  guardNode(party, request, response).then(
    (result) => result.kind === 'answered' || response.end(result.kind === 'signed-in' ? result.session.nameId.value : 'nobody'),
    (error: unknown) => response.writeHead(500).end(String(error))
  )
}).listen(Number(ownPort), '127.0.0.1', () => void say('ready'))
