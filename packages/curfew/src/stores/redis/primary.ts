import { library } from './library.ts'
import { type Link, LinkLost, type LinkOptions, openLink, type Reply } from './link.ts'
import { nameOf } from './node-address.ts'

/** One write and how many copies have it beside the primary. */
export interface Written {
  readonly reply: Reply
  /** {@link notOnDisk}: not even the primary has it as safe as is asked for. */
  readonly copies: number
}

const notOnDisk = -1

/** One server that takes writes. */
export interface Primary {
  readonly name: string
  read(args: readonly string[]): Promise<Reply>
  write(args: readonly string[]): Promise<Written>
  /** One command that the cluster sends here while its slot is on the way. */
  ask(args: readonly string[]): Promise<Reply>
  close(): void
}

export interface PrimaryOptions extends LinkOptions {
  /** Copies that are asked for; 0 asks nobody. */
  readonly copies: number
  /** How long copies may take to answer, in milliseconds. */
  readonly copyWaitMs: number
  /** A write counts where it is on the disk: of the primary, and of each copy. */
  readonly isOnDisk: boolean
  /** Only plain commands are sent: the functions of a store are not loaded, which servers before 7.0 and narrow users can not do. */
  readonly isPlain?: boolean
}

/** Writes of one batch, at most. */
const batchMax = 256

interface Waiting {
  readonly args: readonly string[]
  readonly resolve: (written: Written) => void
  readonly reject: (error: unknown) => void
}

/**
 * Reads go over one connection, writes over another: writes that wait are sent together with one `WAIT` behind them,
 * and the next batch follows when its answer is there. So the copies cost one round trip for many writes.
 */
export function createPrimary(options: PrimaryOptions): Primary {
  const { copies, copyWaitMs, isOnDisk } = options
  const connect = connector(options)
  const queue: Waiting[] = []
  let isPumping = false
  let isClosed = false

  const pump = async (): Promise<void> => {
    if (isPumping) return
    isPumping = true
    try {
      while (queue.length > 0 && !isClosed) await sendBatch(queue.splice(0, batchMax))
    } finally {
      isPumping = false
    }
  }
  const sendBatch = async (batch: readonly Waiting[]): Promise<void> => {
    let link: Link
    try {
      link = await connect.to('write')
    } catch (error) {
      for (const { reject } of batch) reject(error)
      return
    }
    const replies = batch.map(({ args }) => link.send(args))
    const [results, count] = await Promise.all([Promise.allSettled(replies), confirmedBy(link)])
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') batch[i]?.resolve({ reply: result.value, copies: count })
      else batch[i]?.reject(result.reason)
    }
  }
  /** When the confirmation is lost, what is known is what the primary said. */
  const confirmedBy = async (link: Link): Promise<number> => {
    if (isOnDisk) {
      const reply = await link.send(['WAITAOF', '1', String(copies), String(copyWaitMs)]).catch(() => null)
      const [here, there] = Array.isArray(reply) ? reply.map(Number) : []
      return here === 1 ? (there ?? 0) : notOnDisk
    }
    return copies === 0 ? 0 : link.send(['WAIT', String(copies), String(copyWaitMs)]).then(Number, () => 0)
  }
  return {
    name: nameOf(options.address),
    read: async (args) => (await connect.to('read')).send(args),
    write(args) {
      if (isClosed) return Promise.reject(new LinkLost('the store is closed'))
      const { promise, resolve, reject } = Promise.withResolvers<Written>()
      queue.push({ args, resolve, reject })
      void pump()
      return promise
    },
    async ask(args) {
      const link = await connect.to('read')
      const [, reply] = await Promise.all([link.send(['ASKING']), link.send(args)])
      return reply
    },
    close() {
      isClosed = true
      connect.close()
      for (const { reject } of queue.splice(0)) reject(new LinkLost('the store is closed'))
    }
  }
}

interface Connector {
  to(use: 'read' | 'write'): Promise<Link>
  close(): void
}

/** One connection for each use, made when it is needed and again when it broke; the functions are there first, where they are used. */
function connector(options: PrimaryOptions): Connector {
  const links = new Map<string, Promise<Link>>()
  const open = async (use: string): Promise<Link> => {
    const link = await openLink({ ...options, label: `${options.label}-${use}` })
    if (options.isPlain !== true) await loadLibrary(link)
    return link
  }
  const again = async (use: 'read' | 'write', known: Promise<Link> | undefined): Promise<Link> => {
    const link = await known?.catch(() => undefined)
    return link?.isOpen === true ? link : open(use)
  }
  let isClosed = false
  return {
    to(use) {
      if (isClosed) return Promise.reject(new LinkLost('the store is closed'))
      const link = again(use, links.get(use))
      links.set(use, link)
      return link
    },
    close() {
      isClosed = true
      for (const link of links.values()) void link.then((it) => it.close()).catch(() => undefined)
    }
  }
}

/** Loads the functions unless they are there; a copy gets them from its primary. */
export async function loadLibrary(link: Pick<Link, 'send'>): Promise<void> {
  try {
    await link.send(['FUNCTION', 'LOAD', library.code])
  } catch (error) {
    const message = error instanceof Error ? error.message : ''
    if (/already exists/.test(message)) return
    // A copy can not take them; where it is asked to write, the answer says so.
    if (/READONLY|MOVED|CLUSTERDOWN|LOADING|MASTERDOWN/.test(message)) return
    throw error
  }
}
