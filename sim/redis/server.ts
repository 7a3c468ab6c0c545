import { createHash } from 'node:crypto'
import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import type { Dial, Reply, Wire } from '../../packages/curfew/src/stores/redis/link.ts'
import { slotOfTag, slotsTotal } from '../../packages/curfew/src/stores/redis/slots.ts'
import { Data, isWrite, ServerError } from './data.ts'
import { callFunction, type Library, loadLibrary, type ServerWords } from './functions.ts'
import type { Channel, Network } from './network.ts'

/** Who takes the writes of one part of the slots, as a server has heard of it; a later epoch wins. */
export interface Shard {
  readonly index: number
  readonly epoch: number
  readonly primary: SimServer
}

/** One copy, as its primary sees it. */
interface Follower {
  readonly server: SimServer
  readonly down: Channel
  readonly copy: Copy
  ackedOffset: number
  isOnline: boolean
}

/** One client, as the server sees it. */
interface Session {
  readonly queue: (() => void)[]
  lastWrite: number
  isBlocked: boolean
}

interface Waiting {
  readonly session: Session
  readonly copies: number
  readonly answer: (reply: Reply | ServerError) => void
}

/** Faults that servers may be given, to see whether they are found. */
export interface Spoil {
  /** Changes the functions before they are loaded. */
  readonly functions?: (source: string) => string
  /** `WAIT` says that copies have what they may not have yet. */
  readonly waitLies?: true
}

export interface ServerOptions {
  readonly name: string
  readonly shard: number
  readonly shards: number
  readonly clock: Clock
  readonly network: Network
  readonly spoil?: Spoil
}

/**
 * One server of a Redis Cluster: the commands that the store uses on data of its own, copies that follow late, `WAIT`,
 * `MOVED`. It does one thing at a time, and each in no time.
 */
export class SimServer {
  readonly name: string
  readonly shard: number
  readonly #options: ServerOptions
  #state: 'up' | 'stopped' | 'killed' | 'lost' = 'up'
  #data = new Data()
  readonly #libraries = new Map<string, Library>()
  /** How often it was started. */
  #lives = 1
  #offset = 0
  #followers: Follower[] = []
  /** The primary it follows; another object with every new start of that. */
  #following: { readonly primary: SimServer; isSynced: boolean } | undefined
  /** It has not heard of the others for so long that it refuses. */
  isCutOff = false
  /** How much longer than any other message a write takes to its copies. */
  copyLagMs = 0
  readonly #view = new Map<number, Shard>()
  #waiting: Waiting[] = []
  #wires = new Set<() => void>()

  constructor(options: ServerOptions) {
    this.name = options.name
    this.shard = options.shard
    this.#options = options
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  get isRunning(): boolean {
    return this.#state === 'up' || this.#state === 'stopped'
  }

  get isPrimary(): boolean {
    return this.#following === undefined
  }

  get offset(): number {
    return this.#offset
  }

  // --- who is who ---------------------------------------------------------------------------------------------

  /** What the others say about a shard. */
  hear(shard: Shard): void {
    const known = this.#view.get(shard.index)
    if (!this.isRunning || (known !== undefined && known.epoch >= shard.epoch)) return
    this.#view.set(shard.index, shard)
    if (shard.index === this.shard && shard.primary !== this) this.#follow(shard.primary)
  }

  /** Takes over with what it has. */
  promote(shard: Shard): void {
    this.#following = undefined
    this.#followers = []
    this.#view.set(shard.index, shard)
  }

  #follow(primary: SimServer): void {
    const { network, name } = this.#options
    for (const { answer } of this.#waiting.splice(0)) answer(new ServerError('UNBLOCKED force unblock from blocking operation, instance state changed'))
    // What it has it keeps until it gets the whole copy of the other one: until then it may take over with that.
    const following = { primary, isSynced: false }
    this.#following = following
    this.#followers = []
    const up = network.channel(name, primary.name)
    up.send(() => {
      // It has begun anew meanwhile: what it asked for before comes over a connection that is gone.
      if (this.#following !== following) return
      primary.#attach(this, {
        take: (data, sources, offset) => {
          if (this.#following !== following || !this.isRunning) return
          this.#data = data
          this.#loadAll(sources)
          this.#offset = offset
          following.isSynced = true
        },
        apply: (commands, offset) => {
          if (this.#following !== following || !this.isRunning || !following.isSynced) return
          for (const command of commands) this.#carryOut(command)
          this.#offset = offset
        },
        acknowledge: (heard) => {
          const offset = this.#offset
          if (this.#following === following && this.isRunning) up.send(() => heard(offset))
        }
      })
    })
  }

  #attach(server: SimServer, copy: Copy): void {
    if (!this.isRunning || !this.isPrimary) return
    const down = this.#options.network.channel(this.name, server.name)
    const follower: Follower = { server, down, copy, ackedOffset: -1, isOnline: false }
    this.#followers = [...this.#followers.filter((known) => known.server !== server), follower]
    const [data, sources, offset] = [this.#data.clone(), [...this.#libraries.values()].map(({ source }) => source), this.#offset]
    down.send(() => {
      copy.take(data, sources, offset)
      copy.acknowledge((acked) => this.#acknowledged(follower, acked))
    }, syncMs)
  }

  #acknowledged(follower: Follower, offset: number): void {
    if (!this.#followers.includes(follower) || !this.isRunning) return
    follower.isOnline = true
    follower.ackedOffset = Math.max(follower.ackedOffset, offset)
    this.#waiting = this.#waiting.filter(({ session, copies, answer }) => {
      const have = this.#confirmed(session)
      if (have < copies) return true
      answer(have)
      return false
    })
  }

  #confirmed(session: Session): number {
    return this.#followers.filter((one) => one.isOnline && one.ackedOffset >= session.lastWrite).length
  }

  #written(session: Session, commands: readonly (readonly string[])[]): void {
    if (commands.length === 0) return
    this.#offset += 1
    const offset = this.#offset
    session.lastWrite = offset
    for (const follower of this.#followers) {
      const { copy } = follower
      follower.down.send(() => {
        copy.apply(commands, offset)
        copy.acknowledge((acked) => this.#acknowledged(follower, acked))
      }, this.copyLagMs)
    }
  }

  // --- faults --------------------------------------------------------------------------------------------------

  stop(): void {
    this.#state = 'stopped'
    this.#options.network.stop(this.name)
  }

  resume(): void {
    this.#state = 'up'
    this.#options.network.resume(this.name)
  }

  /** The process is gone: its machine says so to whoever asks. `lost`: the machine as well, and nobody says anything. */
  kill(how: 'killed' | 'lost'): void {
    this.#state = how
    this.#waiting = []
    const wires = [...this.#wires]
    this.#wires.clear()
    if (how === 'killed') for (const breakWire of wires) breakWire()
  }

  /** Comes back with what is on its disk; whom it follows it hears from the others. */
  restart(): void {
    this.#state = 'up'
    this.#lives += 1
    this.#loadAll([...this.#libraries.values()].map(({ source }) => source))
    this.#followers = []
    this.isCutOff = false
    if (this.#following !== undefined) this.#follow(this.#following.primary)
  }

  /** Its primary is there again, and has lost the connection. */
  followAgain(primary: SimServer): void {
    if (this.isRunning && this.#following?.primary === primary) this.#follow(primary)
  }

  /** Breaks one connection, while commands and answers may be on their way. */
  reset(fraction: () => number): void {
    const wires = [...this.#wires]
    wires[Math.floor(fraction() * wires.length)]?.()
  }

  // --- clients -------------------------------------------------------------------------------------------------

  dialFrom(host: string, isAlive: () => boolean): Wire {
    const { network } = this.#options
    const toServer = network.channel(host, this.name)
    const toClient = network.channel(this.name, host)
    const session: Session = { queue: [], lastWrite: 0, isBlocked: false }
    const pending = new Set<(error: Error) => void>()
    let isBroken = false
    let broken: () => void = () => undefined
    const breakWire = (): void => {
      if (isBroken) return
      isBroken = true
      this.#wires.delete(reset)
      broken()
      for (const reject of pending) reject(new Error('read ECONNRESET'))
      pending.clear()
    }
    const reset = (): void => toClient.send(breakWire)
    const answer = (arrive: () => void): void =>
      toClient.send(() => {
        if (!isBroken && isAlive()) arrive()
      })
    return {
      connect: () =>
        new Promise((resolve, reject) => {
          toServer.send(() => {
            if (this.#state === 'lost') return
            if (this.#state === 'killed') return answer(() => reject(new Error('connect ECONNREFUSED')))
            this.#wires.add(reset)
            answer(() => resolve(undefined))
          })
        }),
      sendCommand: (args) =>
        new Promise((resolve, reject) => {
          if (isBroken) return reject(new Error('The client is closed'))
          pending.add(reject)
          toServer.send(() => {
            if (!this.isRunning || !this.#wires.has(reset)) return
            this.#take(session, args, (reply) =>
              answer(() => {
                pending.delete(reject)
                if (reply instanceof ServerError) reject(new Error(reply.message))
                else resolve(reply)
              })
            )
          })
        }),
      onBroken(listener) {
        broken = listener
      },
      destroy() {
        isBroken = true
        for (const reject of pending) reject(new Error('Socket closed'))
        pending.clear()
      }
    }
  }

  /** One after the other: what comes behind a `WAIT` waits as well. */
  #take(session: Session, args: readonly string[], answer: (reply: Reply | ServerError) => void): void {
    session.queue.push(() => this.#execute(session, args, answer))
    this.#work(session)
  }

  #work(session: Session): void {
    while (!session.isBlocked && session.queue.length > 0) session.queue.shift()?.()
  }

  #execute(session: Session, args: readonly string[], answer: (reply: Reply | ServerError) => void): void {
    try {
      if (args[0] === 'WAIT') this.#wait(session, args, answer)
      else answer(this.#answerTo(session, args))
    } catch (error) {
      if (!(error instanceof ServerError)) throw error
      answer(error)
    }
  }

  #wait(session: Session, [, copies = '', timeoutMs = '']: readonly string[], answer: (reply: Reply | ServerError) => void): void {
    if (!this.isPrimary) throw new ServerError('ERR WAIT cannot be used with replica instances.')
    const have = this.#confirmed(session)
    if (this.#options.spoil?.waitLies === true) return answer(Number(copies))
    if (have >= Number(copies)) return answer(have)
    session.isBlocked = true
    const waiting: Waiting = {
      session,
      copies: Number(copies),
      answer: (reply) => {
        timer.cancel()
        session.isBlocked = false
        answer(reply)
        this.#work(session)
      }
    }
    this.#waiting.push(waiting)
    const timer = this.#options.clock.after(Number(timeoutMs), () => {
      if (!this.#waiting.includes(waiting)) return
      this.#waiting = this.#waiting.filter((one) => one !== waiting)
      waiting.answer(this.#confirmed(session))
    })
  }

  #answerTo(session: Session, args: readonly string[]): Reply {
    const [name = '', first = '', ...rest] = args
    switch (name) {
      case 'TIME':
        return this.#words.time()
      case 'INFO':
        return this.#words.info(first)
      case 'CONFIG':
        return [rest[0] ?? '', settings[rest[0] ?? ''] ?? '']
      case 'CLUSTER':
        return this.#slots()
      case 'FUNCTION':
        return this.#load(session, args)
      case 'FCALL':
      case 'FCALL_RO':
        return this.#call(session, args)
      default: {
        this.#checkSlot(first)
        const reply = this.#data.run(args)
        if (isWrite(name)) this.#written(session, [args])
        return reply
      }
    }
  }

  readonly #words: ServerWords = {
    time: () => {
      const nowMs = this.#options.clock.nowMs()
      return [String(Math.floor(nowMs / 1000)), String(Math.floor((nowMs % 1000) * 1000))]
    },
    info: (section) => {
      const runId = createHash('sha1').update(`${this.name} ${this.#lives}`).digest('hex')
      return section === 'replication' ? this.#replicationInfo() : `redis_version:7.4.0\r\nrun_id:${runId}\r\n`
    }
  }

  #carryOut(command: readonly string[]): void {
    if (command[0] !== 'FUNCTION') return void this.#data.run(command)
    const source = command[2] ?? ''
    const library = loadLibrary(this.#options.spoil?.functions?.(source) ?? source)
    this.#libraries.set(library.name, { ...library, source })
  }

  /** What functions remembered is forgotten. */
  #loadAll(sources: readonly string[]): void {
    this.#libraries.clear()
    for (const source of sources) this.#carryOut(['FUNCTION', 'LOAD', source])
  }

  #load(session: Session, command: readonly string[]): Reply {
    if (!this.isPrimary) throw new ServerError("READONLY You can't write against a read only replica.")
    const { name } = loadLibrary(command[2] ?? '')
    if (this.#libraries.has(name)) throw new ServerError(`ERR Library '${name}' already exists`)
    this.#carryOut(command)
    this.#written(session, [command])
    return name
  }

  #call(session: Session, [command, name = '', count = '', ...rest]: readonly string[]): Reply {
    const keys = rest.slice(0, Number(count))
    for (const key of keys) this.#checkSlot(key)
    const library = [...this.#libraries.values()].find(({ functions }) => functions.has(name))
    const registered = library?.functions.get(name)
    if (registered === undefined) throw new ServerError('ERR Function not found')
    const { reply, written } = callFunction(this.#data, registered, { keys, args: rest.slice(keys.length), mayWrite: command === 'FCALL', server: this.#words })
    this.#written(session, written)
    return reply
  }

  #checkSlot(key: string): void {
    const slot = slotOfTag(/\{(.+?)\}/.exec(key)?.[1] ?? key)
    const shard = this.#view.get(Math.floor((slot * this.#options.shards) / slotsTotal))
    if (shard === undefined || this.isCutOff) throw new ServerError('CLUSTERDOWN The cluster is down')
    if (shard.primary !== this) throw new ServerError(`MOVED ${slot} ${shard.primary.name}`)
  }

  #slots(): Reply {
    const { shards } = this.#options
    const first = (index: number): number => Math.ceil((index * slotsTotal) / shards)
    return [...this.#view.values()].map(({ index, primary }) => {
      const [host = '', port = ''] = primary.name.split(':')
      return [first(index), first(index + 1) - 1, [host, Number(port), primary.name]]
    })
  }

  #replicationInfo(): string {
    const lines = this.#followers.map(({ server, isOnline, ackedOffset }, i) => {
      const [host = '', port = ''] = server.name.split(':')
      return `slave${i}:ip=${host},port=${port},state=${isOnline ? 'online' : 'wait_bgsave'},offset=${ackedOffset},lag=0`
    })
    // A new one with every start and with every time that it takes over.
    const term = createHash('sha1')
      .update(`${this.name} ${this.#lives} ${this.#view.get(this.shard)?.epoch}`)
      .digest('hex')
    return [`role:${this.isPrimary ? 'master' : 'slave'}`, `connected_slaves:${lines.length}`, ...lines, `master_replid:${term}`, ''].join('\r\n')
  }
}

/** What a copy does with what its primary sends. */
interface Copy {
  take(data: Data, sources: readonly string[], offset: number): void
  apply(commands: readonly (readonly string[])[], offset: number): void
  acknowledge(heard: (offset: number) => void): void
}

/** How long a whole copy takes on its way. */
const syncMs = 40
const settings: Readonly<Record<string, string>> = {
  'maxmemory-policy': 'noeviction',
  appendonly: 'yes',
  'cluster-require-full-coverage': 'no',
  'cluster-node-timeout': '1500'
}

/** Connects a host to servers by their names. */
export function dialer(servers: readonly SimServer[], host: string, isAlive: () => boolean): Dial {
  return ({ address }) => {
    const server = servers.find(({ name }) => name === `${address.host}:${address.port}`)
    if (server === undefined) throw new RangeError(`there is no server ${address.host}:${address.port}`)
    return server.dialFrom(host, isAlive)
  }
}
