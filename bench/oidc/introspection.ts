import formbody from '@fastify/formbody'
import fastify from 'fastify'
import { line } from '../measure.ts'
import type { Child } from './child.ts'
import { startCurfew } from './curfew.ts'
import type { DriverAsk } from './driver.ts'
import { startPlainProvider } from './plain-provider.ts'
import { freePort } from './ports.ts'
import { basicHeader, clientId, codeFlow, type ProviderUnderTest } from './provider-under-test.ts'
import { takeTurns } from './turns.ts'
import { createUserAgent } from './user-agent.ts'

const turnMs = 400
const parallel = 16
const nowhere = ['http://127.0.0.1:9/logout']

/** Introspection of a live access token, beside a route of the same framework that reads a form and says nothing. */
export async function benchIntrospection(driver: Child<DriverAsk, number>): Promise<readonly string[]> {
  const empty = fastify()
  empty.register(formbody)
  empty.post('/', async () => ({ active: true }))
  const port = await freePort()
  await empty.listen({ port, host: '127.0.0.1' })
  await using plain = await startPlainProvider({ backChannelUris: nowhere })
  await using sqlite = await startCurfew({ store: 'sqlite', backChannelUris: nowhere })
  const asks = [postsTo(`http://127.0.0.1:${port}/`, 'x'.repeat(43)), await introspectionsAt(sqlite), await introspectionsAt(plain)]
  const [route, ours, theirs] = await takeTurns(driver, asks)
  await empty.close()
  const reference = route?.perCpuSecond ?? 1
  return [
    'OpenID: introspection of a live token for the CPU of the server, client in another process',
    `  ${'empty route of Fastify that takes a form'.padEnd(44)} ${reference.toFixed(0).padStart(7)} per CPU-second`,
    line('curfew, SQLite', (ours?.perCpuSecond ?? 0) / reference, 'empty route'),
    line('oidc-provider alone, its store in memory', (theirs?.perCpuSecond ?? 0) / reference, 'empty route')
  ]
}

async function introspectionsAt(provider: ProviderUnderTest): Promise<DriverAsk> {
  const agent = createUserAgent()
  await provider.signIn(agent)
  const token = await codeFlow(provider, agent, clientId(0))
  const url = provider.issuer + provider.paths.introspection
  const answer = await agent.post(url, { token }, { authorization: basicHeader(clientId(0)) })
  if (!answer.body.includes('"active":true')) throw new Error(`${provider.name} does not know its own token: ${answer.body}`)
  agent.close()
  return postsTo(url, token)
}

function postsTo(url: string, token: string): DriverAsk {
  return { kind: 'posts', url, fields: { token }, headers: { authorization: basicHeader(clientId(0)), accept: 'application/json' }, ms: turnMs, parallel }
}
