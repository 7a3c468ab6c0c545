import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A wire from a port of this machine to another, which can be cut: whoever is connected is cut off then, and nobody gets through. */
export class Cable {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  #isCut = false

  /** @param target - port that a new connection leads to; undefined: to nobody now */
  constructor(target: () => number | undefined) {
    this.#server = createServer((socket) => {
      const port = this.#isCut ? undefined : target()
      if (port === undefined) return void socket.destroy()
      const onward = connect(port, '127.0.0.1')
      for (const end of [socket, onward]) {
        this.#sockets.add(end)
        end.on('close', () => {
          this.#sockets.delete(end)
          socket.destroy()
          onward.destroy()
        })
        end.on('error', () => end.destroy())
      }
      socket.pipe(onward).pipe(socket)
    })
  }

  get isCut(): boolean {
    return this.#isCut
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  cut(): void {
    this.#isCut = true
    this.drop()
  }

  heal(): void {
    this.#isCut = false
  }

  /** Ends every connection; new ones are made at once. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}
