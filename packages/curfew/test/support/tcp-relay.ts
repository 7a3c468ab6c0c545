import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'

/** A stretch of wire that counts and keeps what passes, and can be cut. */
export interface TcpRelay extends AsyncDisposable {
  readonly port: number
  /** Connections that were ever made to it. */
  readonly connections: number
  /** Most of them at one time. */
  readonly atOnceMax: number
  /** Everything that clients sent. */
  sent(): Buffer
  /** Breaks every connection there is. */
  cut(): void
  /** From then on nobody is let in, or everybody again. */
  refuse(isOn: boolean): void
  /**
   * The answer to the next thing that holds these octets is lost, and its connection with it.
   * @param andGo - from then on nobody is let in
   */
  loseAnswerTo(octets: Buffer, andGo?: boolean): void
}

/** @param target - absent: whatever comes is kept, and nothing is ever answered */
export async function startRelay(target?: number): Promise<TcpRelay> {
  const chunks: Buffer[] = []
  const open = new Set<Socket>()
  const count = { connections: 0, atOnceMax: 0 }
  let losing: { readonly octets: Buffer; readonly andGo: boolean } | undefined
  let isGone = false
  const server = createServer((socket) => {
    if (isGone) return void socket.destroy()
    let isLost = false
    count.connections += 1
    open.add(socket)
    count.atOnceMax = Math.max(count.atOnceMax, open.size)
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk))
      if (losing === undefined || !chunk.includes(losing.octets)) return
      isLost = true
      isGone = losing.andGo
      losing = undefined
    })
    if (target === undefined) return
    const onward = createConnection(target, '127.0.0.1')
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    socket.pipe(onward)
    onward.on('data', (chunk) => {
      if (isLost) socket.destroy()
      else socket.write(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return count.connections
    },
    get atOnceMax() {
      return count.atOnceMax
    },
    sent: () => Buffer.concat(chunks),
    loseAnswerTo(octets, andGo = false) {
      losing = { octets, andGo }
    },
    cut() {
      for (const socket of open) socket.destroy()
    },
    refuse(isOn) {
      isGone = isOn
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }
}
