import { answerParent } from './child.ts'
import { codeFlow, type ProviderUnderTest } from './provider-under-test.ts'
import { createUserAgent } from './user-agent.ts'

/** What the process that makes the requests is asked for; each answer is how often it was done. */
export type DriverAsk = { readonly ms: number; readonly parallel: number } & (
  | {
      readonly kind: 'flows'
      readonly provider: Pick<ProviderUnderTest, 'issuer' | 'paths'>
      readonly cookies: readonly (readonly [string, string])[]
      readonly client: string
    }
  | { readonly kind: 'posts'; readonly url: string; readonly fields: Readonly<Record<string, string>>; readonly headers: Readonly<Record<string, string>> }
)

async function repeat(ask: DriverAsk): Promise<number> {
  const agent = createUserAgent(new Map(ask.kind === 'flows' ? ask.cookies : []))
  const endMs = performance.now() + ask.ms
  let count = 0
  const worker = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await once(ask, agent)
      count += 1
    }
  }
  await Promise.all(Array.from({ length: ask.parallel }, worker))
  agent.close()
  return count
}

async function once(ask: DriverAsk, agent: ReturnType<typeof createUserAgent>): Promise<void> {
  if (ask.kind === 'flows') return void (await codeFlow(ask.provider, agent, ask.client))
  const answer = await agent.post(ask.url, ask.fields, ask.headers)
  if (answer.status !== 200) throw new Error(`${ask.url} answered ${answer.status}: ${answer.body.slice(0, 300)}`)
}

answerParent(repeat)
