import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** Below the ports that the system gives to outgoing connections, so that none of them is taken in between. */
const lowest = 12_000
/** Ports are given in blocks of so many; a block has one guard, a port below all of them. */
const blockSize = 8
const blockCount = 2_400
const lowestGuard = lowest - blockCount
const triesMax = 200

/**
 * The first of so many neighbouring ports of this machine that are this process's own until it ends: it listens at the
 * guards of their blocks, and the system gives a guard to one process only. So no other test takes them, in this process
 * or beside it, also before somebody listens at them.
 */
export async function freeRange(count: number): Promise<number> {
  const blocks = Math.ceil(count / blockSize)
  for (let tries = 0; tries < triesMax; tries++) {
    const block = Math.floor(Math.random() * (blockCount - blocks + 1))
    const guards = await Promise.all(Array.from({ length: blocks }, (_, i) => listenAt(lowestGuard + block + i)))
    const first = lowest + block * blockSize
    const isOurs = guards.every((guard) => guard !== undefined)
    if (isOurs && (await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)))).every(Boolean)) return first
    for (const guard of guards) guard?.close()
  }
  throw new Error(`no ${count} neighbouring ports are free`)
}

/** Listens there and keeps no process alive by it; nothing when somebody else does. */
async function listenAt(port: number): Promise<Server | undefined> {
  const server = createServer()
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true })
    await once(server, 'listening')
    return server.unref()
  } catch {
    return undefined
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenAt(port)
  server?.close()
  return server !== undefined
}
