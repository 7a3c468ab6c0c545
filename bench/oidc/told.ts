import { type Arrival, hangingPath, type ReceiverState } from './arrival.ts'
import type { Child } from './child.ts'
import { startCurfew } from './curfew.ts'
import { startPlainProvider } from './plain-provider.ts'
import { clientId, codeFlow, type ProviderUnderTest } from './provider-under-test.ts'
import { createUserAgent } from './user-agent.ts'

const clients = 50
const rounds = 8
/** How long a round may take until the last client that answers is told. */
const roundMsMax = 15_000

/** From the press of the button, in milliseconds. */
interface Times {
  /** Until each client was told. */
  readonly told: readonly number[]
  /** Until the person was answered, once per round. */
  readonly answered: readonly number[]
}

/** How long until all clients of a session are told of its end, and the person is answered; then with one client that hangs. */
export async function benchTold(receiver: Child<object, ReceiverState>): Promise<readonly string[]> {
  const { port } = await receiver.ask({})
  const lines = [`OpenID: ${clients} clients are told by the back channel that a session ended, ${rounds} rounds in turns (wall-clock)`]
  for (const hangs of [false, true]) {
    const uris = Array.from({ length: clients }, (_, i) => `http://127.0.0.1:${port}${hangs && i === 0 ? hangingPath : '/client/'}${i}`)
    await using ours = await startCurfew({ store: 'sqlite', backChannelUris: uris })
    await using theirs = await startPlainProvider({ backChannelUris: uris })
    const times = await inTurns([ours, theirs], receiver, hangs)
    const title = hangs ? 'one of them hangs' : 'all of them answer'
    const [curfew, plain] = times
    if (curfew === undefined || plain === undefined) continue
    lines.push(row(`curfew, ${title}`, curfew), row(`oidc-provider, ${title}`, plain))
  }
  return lines
}

async function inTurns(providers: readonly ProviderUnderTest[], receiver: Child<object, ReceiverState>, hangs: boolean): Promise<readonly Times[]> {
  const times = providers.map(() => ({ told: [] as number[], answered: [] as number[] }))
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [at, provider] of providers.entries()) {
      const { told, answered } = await oneLogout(provider, receiver, hangs)
      if (round === 0) continue
      times[at]?.told.push(...told)
      times[at]?.answered.push(...answered)
    }
  }
  return times
}

async function oneLogout(provider: ProviderUnderTest, receiver: Child<object, ReceiverState>, hangs: boolean): Promise<Times> {
  const agent = createUserAgent()
  await provider.signIn(agent)
  for (let i = 0; i < clients; i++) await codeFlow(provider, agent, clientId(i))
  await receiver.ask({})
  const { pressedAtMs, answeredAtMs } = await provider.signOut(agent)
  const told = await arrivalsOf(provider, receiver, hangs ? clients - 1 : clients)
  agent.close()
  return { told: told.map(({ atMs }) => atMs - pressedAtMs), answered: [answeredAtMs - pressedAtMs] }
}

/** Repeats to a client that hangs are not counted. */
async function arrivalsOf(provider: ProviderUnderTest, receiver: Child<object, ReceiverState>, wanted: number): Promise<readonly Arrival[]> {
  const arrivals: Arrival[] = []
  const untilMs = performance.now() + roundMsMax
  while (arrivals.length < wanted) {
    if (performance.now() > untilMs) throw new Error(`only ${arrivals.length} of ${wanted} clients of ${provider.name} were told`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    arrivals.push(...(await receiver.ask({})).arrivals.filter(({ path }) => !path.startsWith(hangingPath)))
  }
  return arrivals
}

function row(what: string, { told, answered }: Times): string {
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`
  return `  ${what.padEnd(44)} told p50 ${ms(quantile(told, 0.5))}, p99 ${ms(quantile(told, 0.99))}, last ${ms(quantile(told, 1))}; person answered p50 ${ms(quantile(answered, 0.5))}`
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
