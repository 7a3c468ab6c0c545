import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'

export interface TurnsOptions {
  readonly port: number
  /** Ports of the nodes. */
  readonly targets: readonly number[]
  /** What has to have happened before anything is handed on. */
  readonly before: () => Promise<void>
  /** Browsers stay at one node: those by HTTP are known by what they ask for; by TLS everybody stays there. */
  readonly sticks: boolean
}

/** A balancer: each connection to its port goes to the next of the nodes. It ends with every connection that it has. */
export async function startTurns({ port, targets, before, sticks }: TurnsOptions): Promise<AsyncDisposable> {
  const open = new Set<Socket>()
  let turn = -1
  const next = (): number => {
    turn = (turn + 1) % targets.length
    return targets[turn] ?? 0
  }
  const stays = targets[Math.floor(Math.random() * targets.length)] ?? 0
  const connectFor = (socket: Socket, head: Buffer): Socket => {
    const onward = createConnection(sticks && isOfBrowser(head) ? stays : next(), '127.0.0.1')
    open.add(onward)
    onward.on('error', () => socket.destroy()).on('close', () => open.delete(onward) && socket.destroy())
    socket.on('close', () => onward.destroy())
    onward.pipe(socket)
    return onward
  }
  const carry = async (socket: Socket): Promise<void> => {
    let onward: Socket | undefined
    // A connection that is kept carries one request after the other.
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      await before()
      onward ??= connectFor(socket, chunk)
      onward.write(chunk)
    }
    onward?.end()
  }
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket))
    carry(socket).catch(() => socket.destroy())
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }
}

/** First octet of a handshake of TLS. */
const handshake = 0x16

function isOfBrowser(head: Buffer): boolean {
  return head[0] === handshake || /^(?:cookie:|accept:[^\r\n]*text\/html)/im.test(head.toString('latin1'))
}
