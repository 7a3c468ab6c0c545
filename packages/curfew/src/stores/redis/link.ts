import { RedisClient } from '@redis/client'
import type { Clock } from '../../platform/clock.ts'
import { type NodeAccess, type NodeAddress, nameOf } from './node-address.ts'

/** What a server answers. */
export type Reply = string | number | null | readonly Reply[]

/** One connection to one server. */
export interface Link {
  readonly name: string
  readonly isOpen: boolean
  /** Sends a command after those that are under way; rejects with the error of the server, or {@link LinkLost}. */
  send(args: readonly string[]): Promise<Reply>
  close(): void
}

/** The connection broke, or gave no answer in time: what became of the command is not known. */
export class LinkLost extends Error {
  override readonly name = 'LinkLost'
}

/** A dead machine sends no reset: without an answer for so long the connection is given up. */
const answerMsMax = 1_500
const connectMsMax = 1_000

/** What carries the commands of one link. */
export interface Wire {
  connect(): Promise<unknown>
  /** Rejects with the error of the server, whose message begins with its word in capitals, or with what broke the wire. */
  sendCommand(args: readonly string[]): Promise<Reply>
  onBroken(listener: () => void): void
  destroy(): void
}

export interface LinkOptions {
  readonly address: NodeAddress
  readonly access: NodeAccess
  readonly clock: Clock
  /** What the server lists the connection as. */
  readonly label: string
  /** Another way to the server than a socket. */
  readonly dial?: Dial
}

/** One class for all connections: `createClient` makes one with its hundreds of commands for each, named by its options and the password in them. */
const createLinkClient = RedisClient.factory({ RESP: 2 })

export type Dial = (options: Pick<LinkOptions, 'address' | 'access' | 'label'>) => Wire

/** A socket, by TCP, TLS or a file. */
const dialSocket: Dial = ({ address, access, label }) => {
  const { tls, ...credentials } = access
  const where = address.path === undefined ? { host: address.host, port: address.port } : { path: address.path }
  const client = createLinkClient({
    RESP: 2,
    socket: {
      ...where,
      ...(tls === undefined ? {} : { tls: true as const, ...tls, servername: address.host }),
      connectTimeout: connectMsMax,
      reconnectStrategy: false
    },
    ...credentials,
    name: label,
    disableOfflineQueue: true
  } as Parameters<typeof createLinkClient>[0])
  return {
    connect: () => client.connect(),
    sendCommand: (args) => client.sendCommand<Reply>([...args]),
    onBroken: (listener) => void client.on('error', listener).on('end', listener),
    destroy() {
      try {
        client.destroy()
      } catch {
        // It was closed already.
      }
    }
  }
}

/** Connects; a connection that breaks stays broken, its owner makes a new one. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const { address, clock, dial = dialSocket } = options
  const name = nameOf(address)
  const wire = dial(options)
  let isOpen = false
  wire.onBroken(() => {
    isOpen = false
  })
  const destroy = (): void => {
    isOpen = false
    wire.destroy()
  }
  // A machine that hangs takes the connection and says nothing.
  const { promise: silent, reject: giveUp } = Promise.withResolvers<never>()
  const patience = clock.after(connectMsMax, () => giveUp(new LinkLost(`${name} says nothing`)))
  try {
    await Promise.race([wire.connect(), silent])
    isOpen = true
  } catch (cause) {
    destroy()
    throw new LinkLost(`${name} can not be connected to`, { cause })
  } finally {
    patience.cancel()
  }
  return {
    name,
    get isOpen() {
      return isOpen
    },
    async send(args) {
      const { promise: silent, reject } = Promise.withResolvers<never>()
      const timer = clock.after(answerMsMax, () => {
        destroy()
        reject(new LinkLost(`${name} gave no answer for ${answerMsMax} ms`))
      })
      try {
        return await Promise.race([wire.sendCommand(args), silent])
      } catch (error) {
        if (error instanceof LinkLost || isAnswer(error)) throw error
        destroy()
        throw new LinkLost(`the connection to ${name} broke`, { cause: error })
      } finally {
        timer.cancel()
      }
    },
    close: destroy
  }
}

/** An error that the server itself sent. */
function isAnswer(error: unknown): error is Error {
  return error instanceof Error && /^[A-Z]{2,}[A-Z_]* /.test(error.message)
}
