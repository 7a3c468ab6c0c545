import { connect, type Socket } from 'node:net'

/** What a crowd is told, as its one argument. */
export interface CrowdOptions {
  readonly port: number
  readonly count: number
  /** Head of the request that opens one WebSocket. */
  readonly head: string
}

/** What a crowd says: all are open; then all are closed, when each was, and how many got the close frame. */
export type CrowdSays = { readonly kind: 'open' } | { readonly kind: 'closed'; readonly atMs: readonly number[]; readonly frames: number }

const atOnce = 200

/** Many clients in a process of their own: their sockets must not count for the gateway. */
async function run({ port, count, head }: CrowdOptions): Promise<void> {
  const sockets: Socket[] = []
  while (sockets.length < count) sockets.push(...(await Promise.all(Array.from({ length: Math.min(atOnce, count - sockets.length) }, () => open(port, head)))))
  const closed = Promise.all(sockets.map(ended))
  process.send?.({ kind: 'open' } satisfies CrowdSays)
  const all = await closed
  process.send?.({ kind: 'closed', atMs: all.map(({ atMs }) => atMs), frames: all.filter(({ isTold }) => isTold).length } satisfies CrowdSays)
}

function open(port: number, head: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.write(head)
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('data', (chunk: Buffer) => {
      socket.off('error', reject).on('error', () => undefined)
      if (chunk.toString('latin1').startsWith('HTTP/1.1 101')) resolve(socket)
      else reject(new Error(chunk.toString('latin1').slice(0, 200)))
    })
  })
}

/** The first that is heard after the beginning: a close frame 4001, or the end. */
function ended(socket: Socket): Promise<{ readonly atMs: number; readonly isTold: boolean }> {
  return new Promise((resolve) => {
    socket.once('data', (chunk: Buffer) => resolve({ atMs: Date.now(), isTold: chunk[0] === 0x88 && chunk.readUInt16BE(2) === 4001 }))
    socket.once('close', () => resolve({ atMs: Date.now(), isTold: false }))
  })
}

if (process.argv[2] !== undefined) {
  await run(JSON.parse(process.argv[2]) as CrowdOptions)
  process.disconnect?.()
  process.exit()
}
