import { RedisClient } from '@redis/client'
import type { Clock } from '../../platform/clock.ts'
import { serverName } from '../../platform/server-name.ts'
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

/** A dead machine sends no reset: where something waits and no answer comes for so long, the connection is given up. */
const answerMsMax = 1_500
/** How often it is looked at in that time: a timer for each command would cost more than the command. */
const looks = 5
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
export const dialSocket: Dial = ({ address, access, label }) => {
  const { tls, ...credentials } = access
  const where = address.path === undefined ? { host: address.host, port: address.port } : { path: address.path }
  const client = createLinkClient({
    RESP: 2,
    socket: {
      ...where,
      ...(tls === undefined ? {} : { tls: true as const, ...tls, ...serverName(address.host) }),
      connectTimeout: connectMsMax,
      reconnectStrategy: false
    },
    ...credentials,
    // It makes a timer for each command: whoever has the wire looks after it.
    commandOptions: { timeout: 0 },
    name: label,
    disableOfflineQueue: true
  } as Parameters<typeof createLinkClient>[0])
  return {
    connect: () => client.connect(),
    // It reads them only, and writes them out after this call.
    sendCommand: (args) => client.sendCommand<Reply>(args as string[]),
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
  let silence: LinkLost | undefined
  const watch = watchAnswers(clock, () => {
    silence = new LinkLost(`${name} gave no answer for ${answerMsMax} ms`)
    destroy()
  })
  const succeed = (reply: Reply): Reply => {
    watch.answered()
    return reply
  }
  const fail = (error: unknown): never => {
    watch.answered()
    if (isAnswer(error)) throw error
    destroy()
    throw silence ?? new LinkLost(`the connection to ${name} broke`, { cause: error })
  }
  return {
    name,
    get isOpen() {
      return isOpen
    },
    send(args) {
      watch.sent()
      return wire.sendCommand(args).then(succeed, fail)
    },
    close: destroy
  }
}

interface AnswerWatch {
  sent(): void
  answered(): void
}

/** Calls `giveUp` when something waits for its answer and none has come for {@link answerMsMax}. Looks only while something waits. */
function watchAnswers(clock: Clock, giveUp: () => void): AnswerWatch {
  let [sent, answered] = [0, 0]
  let answeredBefore = 0
  let silentLooks = 0
  let isLooking = false
  const look = (): void => {
    isLooking = false
    silentLooks = answered === answeredBefore ? silentLooks + 1 : 0
    if (answered === sent) return
    if (silentLooks === looks) giveUp()
    else lookLater()
  }
  const lookLater = (): void => {
    isLooking = true
    answeredBefore = answered
    clock.after(answerMsMax / looks, look)
  }
  return {
    sent() {
      sent += 1
      if (isLooking) return
      silentLooks = 0
      lookLater()
    },
    answered() {
      answered += 1
    }
  }
}

/** An error that the server itself sent. */
function isAnswer(error: unknown): error is Error {
  return error instanceof Error && /^[A-Z]{2,}[A-Z_]* /.test(error.message)
}
