import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that the system gives to outgoing connections, so that none of them is taken in between. */
const lowest = 10_000
const highest = 32_000

/** The first of so many neighbouring ports of this machine that nobody listens at. */
export async function freeRange(count: number): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const first = lowest + Math.floor(Math.random() * (highest - lowest - count))
    const answers = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)))
    if (answers.every(Boolean)) return first
  }
  throw new Error(`no ${count} neighbouring ports are free`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
