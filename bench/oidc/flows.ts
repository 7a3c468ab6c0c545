import { line } from '../measure.ts'
import type { Child } from './child.ts'
import { startCurfew } from './curfew.ts'
import type { DriverAsk } from './driver.ts'
import { startPlainProvider } from './plain-provider.ts'
import { clientId, type ProviderUnderTest } from './provider-under-test.ts'
import { takeTurns } from './turns.ts'
import { createUserAgent } from './user-agent.ts'

const turnMs = 600
const parallel = 8
const nowhere = ['http://127.0.0.1:9/logout']

/** Complete code flows (authorization, code, tokens) of a person who is signed in, beside the engine alone. */
export async function benchFlows(driver: Child<DriverAsk, number>): Promise<readonly string[]> {
  await using plain = await startPlainProvider({ backChannelUris: nowhere })
  await using plainSqlite = await startPlainProvider({ backChannelUris: nowhere, store: 'sqlite' })
  await using memory = await startCurfew({ store: 'memory', backChannelUris: nowhere })
  await using sqlite = await startCurfew({ store: 'sqlite', backChannelUris: nowhere })
  const asks = await Promise.all([plain, memory, plainSqlite, sqlite].map(flowsOf))
  const [plainInMemory = 1, oursInMemory = 0, plainOnDisk = 1, oursOnDisk = 0] = (await takeTurns(driver, asks)).map((turn) => turn.perCpuSecond)
  const absolute = (what: string, rate: number): string => `  ${what.padEnd(44)} ${rate.toFixed(0).padStart(7)} per CPU-second`
  return [
    'OpenID: complete code flows for the CPU of the server, browser and client in another process',
    absolute('oidc-provider alone, its store in memory', plainInMemory),
    line('curfew, store in memory', oursInMemory / plainInMemory, 'oidc-provider alone, memory', 0.85),
    absolute('oidc-provider alone, SQLite, synchronous=FULL', plainOnDisk),
    line('curfew, SQLite, synchronous=FULL', oursOnDisk / plainOnDisk, 'oidc-provider alone, SQLite', 0.85),
    line('curfew, SQLite, synchronous=FULL', oursOnDisk / plainInMemory, 'oidc-provider alone, memory')
  ]
}

async function flowsOf(provider: ProviderUnderTest): Promise<DriverAsk> {
  const agent = createUserAgent()
  await provider.signIn(agent)
  agent.close()
  const { issuer, paths } = provider
  return { kind: 'flows', provider: { issuer, paths }, cookies: [...agent.cookies], client: clientId(0), ms: turnMs, parallel }
}
