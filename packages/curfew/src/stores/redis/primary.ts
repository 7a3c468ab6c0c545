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
  /**
   * @param beat - a write that goes behind what may have changed nothing: copies confirm only what was written over this
   * connection. Absent: `args` always writes
   */
  write(args: readonly string[], beat?: readonly string[]): Promise<Written>
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
  readonly beat: readonly string[] | undefined
  readonly resolve: (written: Promise<Written>) => void
  readonly reject: (error: unknown) => void
}

/**
 * Reads go over one connection, writes over another: writes that wait are sent together with one `WAIT` behind them,
 * and the next batch follows when its answer is there. So the copies cost one round trip for many writes.
 */
export function createPrimary(options: PrimaryOptions): Primary {
  const { copies, copyWaitMs, isOnDisk } = options
  const connect = connector(options)
  const asksNobody = copies === 0 && !isOnDisk
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
      // All who wait had this try: each batch after it would wait for one of its own.
      for (const { reject } of [...batch, ...queue.splice(0)]) reject(error)
      return
    }
    const sent = batch.map(({ args }) => {
      const reply = link.send(args)
      // Nobody waits for it yet, and it may be an error.
      reply.catch(() => undefined)
      return reply
    })
    // One for all: they went over the same connection.
    const beat = batch.find((one) => one.beat !== undefined)?.beat
    const hasBeaten = beat === undefined ? true : succeeds(link.send(beat))
    const count = await confirmedBy(link)
    const countWithBeat = (await hasBeaten) ? count : 0
    for (const [i, reply] of sent.entries()) {
      const one = batch[i]
      const confirmed = one?.beat === undefined ? count : countWithBeat
      one?.resolve(reply.then((it) => ({ reply: it, copies: confirmed })))
    }
  }
  /** When the confirmation is lost, what is known is what the primary said. */
  const confirmedBy = async (link: Link): Promise<number> => {
    if (isOnDisk) {
      const reply = await link.send(['WAITAOF', '1', String(copies), String(copyWaitMs)]).catch(() => null)
      const [here, there] = Array.isArray(reply) ? reply.map(Number) : []
      return here === 1 ? (there ?? 0) : notOnDisk
    }
    return link.send(['WAIT', String(copies), String(copyWaitMs)]).then(Number, () => 0)
  }
  const over = (use: Use, args: readonly string[]): Promise<Reply> => {
    const link = connect.open(use)
    return link === undefined ? connect.to(use).then((it) => it.send(args)) : link.send(args)
  }
  return {
    name: nameOf(options.address),
    read: (args) => over('read', args),
    write(args, beat) {
      if (isClosed) return Promise.reject(new LinkLost('the store is closed'))
      // Where nobody has to confirm anything, the order of one connection is all there is to keep.
      if (asksNobody) return over('write', args).then(unconfirmed)
      const { promise, resolve, reject } = Promise.withResolvers<Written>()
      queue.push({ args, beat, resolve, reject })
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

type Use = 'read' | 'write'

function succeeds(reply: Promise<Reply>): Promise<boolean> {
  return reply.then(
    () => true,
    () => false
  )
}

function unconfirmed(reply: Reply): Written {
  return { reply, copies: 0 }
}

interface Connector {
  /** The one that is there. */
  open(use: Use): Link | undefined
  to(use: Use): Promise<Link>
  close(): void
}

/**
 * One connection for each use, made when it is needed and again when it broke; the functions are there first, where they are
 * used. Whoever needs it while it is being made shares that, and its failure: of a server that hangs nobody waits for the tries of
 * those before.
 */
function connector(options: PrimaryOptions): Connector {
  const making = new Map<Use, Promise<Link>>()
  const there = new Map<Use, Link>()
  const open = async (use: Use): Promise<Link> => {
    const link = await openLink({ ...options, label: `${options.label}-${use}` })
    if (options.isPlain !== true) await loadLibrary(link)
    there.set(use, link)
    return link
  }
  let isClosed = false
  return {
    open(use) {
      const link = there.get(use)
      return !isClosed && link?.isOpen === true ? link : undefined
    },
    to(use) {
      if (isClosed) return Promise.reject(new LinkLost('the store is closed'))
      const known = there.get(use)
      if (known?.isOpen === true) return Promise.resolve(known)
      const link = making.get(use) ?? open(use).finally(() => making.delete(use))
      making.set(use, link)
      return link
    },
    close() {
      isClosed = true
      for (const link of there.values()) link.close()
      for (const link of making.values()) void link.then((it) => it.close()).catch(() => undefined)
    }
  }
}

/**
 * Loads the functions unless they are there; a copy gets them from its primary. Returns what a server said that can not take them
 * now: a copy, or one that wants more copies or is full. They may be there; where it is asked to write, the answer says so.
 */
export async function loadLibrary(link: Pick<Link, 'send'>): Promise<Error | undefined> {
  try {
    await link.send(['FUNCTION', 'LOAD', library.code])
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (/already exists/.test(error.message)) return undefined
    if (/READONLY|NOREPLICAS|OOM|MISCONF|MOVED|CLUSTERDOWN|LOADING|MASTERDOWN/.test(error.message)) return error
    throw error
  }
}
