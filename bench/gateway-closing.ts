import { closeConnections } from '../packages/curfew/test/gateway/closed-connections.ts'

const rounds = 3

/** From the end of a session to the close frame at its clients, ten thousand of them, the best of a few rounds. */
export async function benchClosing(): Promise<readonly string[]> {
  const lines: { readonly p99: number; readonly text: string }[] = []
  for (let i = 0; i < rounds; i++) {
    const { count, timesMs, frames } = await closeConnections()
    const [p50 = 0, p99 = 0, last = 0] = [timesMs.at(count >> 1), timesMs.at(Math.floor(count * 0.99)), timesMs.at(-1)]
    lines.push({ p99, text: `  ${count} WebSockets of one session closed: ${p50} ms p50, ${p99} ms p99, ${last} ms last; ${frames} close frames 4001` })
  }
  const best = lines.toSorted((a, b) => a.p99 - b.p99)[0]
  return [`Closing what is open (from the call that ends the session to the client; gateway and authority in one process, best of ${rounds})`, best?.text ?? '']
}
