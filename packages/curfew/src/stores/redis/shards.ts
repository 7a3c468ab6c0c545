import { CurfewError } from '@curfew/codecs'
import type { Clock } from '../../platform/clock.ts'
import { storeError } from '../store-error.ts'
import type { Durability } from '../store.ts'
import type { Bucket } from './keys.ts'
import { fullServerError } from './full-server.ts'
import { library } from './library.ts'
import { LinkLost, type Reply } from './link.ts'
import { whyOf } from './refusal.ts'
import { loadLibrary, type Primary, type Written } from './primary.ts'
import { addressOf, type Topology, Unconfirmed } from './topology.ts'

/** Answer to a write. */
export interface Answer {
  readonly reply: Reply
  readonly durability: Durability
  /** It was sent more than once, because an answer was lost: what it says it found may be its own work. */
  readonly isRepeat: boolean
}

/** Carries calls to whoever has the bucket now, again while servers change places. */
export interface Shards {
  /** A command that only reads; the first argument after its name is the key without the prefix of the bucket. */
  read(bucket: Bucket, command: string, key: string, ...args: readonly string[]): Promise<Reply>
  /** A function that only reads. */
  readFunction(bucket: Bucket, name: string, ...args: readonly string[]): Promise<Reply>
  /** A function that writes. */
  write(bucket: Bucket, name: string, args: readonly string[], promise?: Promised): Promise<Answer>
  /**
   * A command that writes one key, the first argument after its name, without the prefix of the bucket. It costs a quarter
   * of a function; it is refused where the memory is full, and repeating it changes nothing.
   */
  writeKey(bucket: Bucket, command: readonly [name: string, key: string, ...args: string[]], promise?: Promised): Promise<Answer>
  /**
   * Lets a new sign-in begin that is going to write into these buckets; asked before it has written anything. Whatever has begun,
   * and whatever ends something, waits.
   * @throws CURFEW_STORE_OVERLOADED when {@link waitingMax} writes wait for the primary of one of them
   */
  admit(buckets: readonly Bucket[]): void
  /**
   * What another region told, where too few copies have it and it depends on what is there by then: it is done again once
   * the bucket has its copies, until they have all of it.
   */
  owe(bucket: Bucket, work: () => Promise<Durability>): void
  /** Facts that too few copies have yet; they are sent again until that is mended. */
  readonly owed: number
  /** How many facts that another region told were not remembered, because too many are owed already. */
  readonly forgotten: number
  close(): void
}

/** A call as it is sent again. */
export interface OwedCall {
  readonly name: string
  readonly args: readonly string[]
}

/** What a caller may be told when too few copies have a write. */
export interface Promised {
  /** The call itself, or what says the same later, which may need the answer: it is sent until copies have it. */
  readonly again?: OwedCall | ((reply: Reply) => OwedCall)
  /** Whether the call did what `again` says; where it only found that it may not, nothing is owed. Absent: it did. */
  readonly isDone?: (reply: Reply) => boolean
  /** Under `strict` an error instead of `degraded`. Endings never fail for want of copies. */
  readonly isEnding?: boolean
  /** Another region told it: what is owed of that takes no room from what happened here. */
  readonly isForeign?: boolean
}

export interface ShardsOptions {
  readonly topology: Topology
  readonly clock: Clock
  readonly copies: number
  readonly isStrict: boolean
}

/** How long a call may take, servers that change places included. */
const deadlineMs = 5_000
/** Writes that wait for one primary, or for the next try there, at most; beyond it new sign-ins are refused. As many as wait for a disk. */
export const waitingMax = 20_000
const pauseMsMin = 20
const pauseMsMax = 400
/**
 * Writes that wait for copies, at most, and as many again of what other regions told; more are told `degraded` and not
 * remembered. What is no ending fills half of that: signing out finds room when sign-ins find none any more.
 */
const owedMax = 10_000
const owedPauseMs = 500
/**
 * How long a fact that copies could confirm is kept that builds on something which is not there: a node that owes that pays
 * within this time. After it nobody has what it was about.
 */
export const missingMsMax = 60_000

/** A fact that too few copies have, as it is sent again. */
interface Owed extends OwedCall {
  readonly bucket: Bucket
  readonly isForeign: boolean
  /** What it builds on was missing when it was sent again: until when that is waited for. */
  readonly missingUntilMs?: number
}

/** Work that too few copies have: what another region told. */
interface OwedWork {
  readonly bucket: Bucket
  readonly work: () => Promise<Durability>
}

/** Who waits for one primary. */
interface Line {
  readonly name: string
  waiting: number
}

interface Called extends Written {
  /** It may have been carried out twice. */
  readonly isRepeat: boolean
  /** It was sent more than once. */
  readonly isRetried: boolean
}

interface Calling {
  readonly bucket: Bucket
  readonly args: readonly string[]
  /** `write-key`: a command that may change nothing, so that there is nothing for copies to confirm. */
  readonly use: 'read' | 'write' | 'write-key'
  readonly untilMs: number
}

/** Functions answer so where what they build on is not there. */
function isMissing(reply: Reply): boolean {
  return Array.isArray(reply) && String(reply[0]) === 'unknown'
}

export function createShards({ topology, clock, copies, isStrict }: ShardsOptions): Shards {
  let owed: Owed[] = []
  let works: OwedWork[] = []
  /** How much is owed, with what is being sent again. */
  let own = 0
  let foreign = 0
  let forgotten = 0
  let isPaying = false
  let isClosed = false
  /** How many writes wait for each primary, by its name: where it was when they began. */
  const lines = new Map<string, Line>()
  const lineOf = ({ slot }: Bucket): Line => {
    const name = serverOf(topology, slot)
    const line = lines.get(name) ?? { name, waiting: 0 }
    lines.set(name, line)
    return line
  }

  const pay = (): void => {
    if (isPaying || isClosed || owed.length + works.length === 0) return
    isPaying = true
    clock.after(owedPauseMs, () => {
      const batches = [...Map.groupBy(owed, ({ bucket }) => bucket.index).values()]
      const toDo = [...Map.groupBy(works, ({ bucket }) => bucket.index).values()]
      owed = []
      works = []
      void Promise.all([Promise.all(batches.map(payInOrder)), Promise.all(toDo.map(workOff))]).then(([left, undone]) => {
        // Before what came to it meanwhile: that may build on it.
        owed = [...left.flat(), ...owed]
        works = [...undone.flat(), ...works]
        own = owed.filter(({ isForeign }) => !isForeign).length
        foreign = owed.length - own + works.length
        isPaying = false
        pay()
      })
    })
  }

  /** Does the work of one bucket again, when that has its copies; returns what stays owed. */
  const workOff = async (batch: readonly OwedWork[]): Promise<readonly OwedWork[]> => {
    const [first] = batch
    if (first === undefined || !(await hasCopies(first.bucket))) return batch
    const results = await Promise.allSettled(batch.map(({ work }) => work()))
    return batch.filter((_, i) => !(results[i]?.status === 'fulfilled' && results[i].value !== 'degraded'))
  }
  const hasCopies = (bucket: Bucket): Promise<boolean> =>
    call(bucket, functionCall(bucket, 'touch_copies', []), 'write').then(
      (called) => called.copies >= copies,
      () => false
    )
  const hasRoom = ({ isForeign, isEnding }: Promised): boolean => {
    if (isForeign === true) return foreign < owedMax
    return own < (isEnding === true ? owedMax : owedMax / 2)
  }
  const remember = (fact: Omit<Owed, 'isForeign'>, promised: Promised): void => {
    const isForeign = promised.isForeign === true
    if (!hasRoom(promised)) {
      if (isForeign) forgotten += 1
      return
    }
    owed.push({ ...fact, isForeign })
    if (isForeign) foreign += 1
    else own += 1
  }

  /**
   * Sends what is owed of one bucket again, in the order in which it was done; returns what stays owed. A call that had
   * to be tried more than once may have been overtaken by one that builds on it: then it and all after it are sent once more.
   * The same after one that is refused: an end that is done before the sign-in it ends would let the session in again. One
   * whose session or run is not there is sent again for {@link missingMsMax}, with what comes after it of the same session
   * or run: another node may owe that, and not have paid yet.
   */
  const payInOrder = async (batch: readonly Owed[]): Promise<readonly Owed[]> => {
    const results = await Promise.allSettled(batch.map(({ bucket, name, args }) => call(bucket, functionCall(bucket, name, args), 'write')))
    const nowMs = clock.nowMs()
    const sent = batch.map((fact, i) => {
      const result = results[i]
      const isConfirmed = result?.status === 'fulfilled' && !result.value.isRetried && result.value.copies >= copies
      if (!isConfirmed || !isMissing(result.value.reply)) return { fact, isConfirmed, isAwaited: false }
      const missingUntilMs = fact.missingUntilMs ?? nowMs + missingMsMax
      return { fact: { ...fact, missingUntilMs }, isConfirmed, isAwaited: nowMs < missingUntilMs }
    })
    const unconfirmed = sent.findIndex(({ isConfirmed }) => !isConfirmed)
    const named = new Set<string>()
    const left = sent.filter(({ fact: { args }, isAwaited }, i) => {
      const isLeft = isAwaited || (unconfirmed >= 0 && i >= unconfirmed) || named.has(args[0] ?? '')
      // What a call is about comes first; one that begins a run names that further on.
      if (isLeft) for (const name of args) named.add(name)
      return isLeft
    })
    return left.map(({ fact }) => fact)
  }

  const call = (bucket: Bucket, args: readonly string[], use: Calling['use']): Promise<Called> => {
    const calling = { bucket, args, use, untilMs: clock.nowMs() + deadlineMs }
    const line = lineOf(bucket)
    line.waiting += 1
    const leave = (): void => {
      line.waiting -= 1
      // Servers come and go.
      if (line.waiting === 0) lines.delete(line.name)
    }
    return once(topology, calling).then(
      ({ reply, copies: have }) => {
        leave()
        return { reply, copies: have, isRepeat: false, isRetried: false }
      },
      (error: unknown) => callAgain(calling, error).finally(leave)
    )
  }

  /** The same for what only reads: nothing is to be known of the answer but itself. */
  const read = (bucket: Bucket, args: readonly string[]): Promise<Reply> => {
    const untilMs = clock.nowMs() + deadlineMs
    const failed = (error: unknown): Promise<Reply> => callAgain({ bucket, args, use: 'read', untilMs }, error).then(({ reply }) => reply)
    try {
      return topology.primaryOf(bucket.slot).read(args).catch(failed)
    } catch (error) {
      return failed(error)
    }
  }

  /** After a failure: until it is done, or may not be done, or the time is over. */
  const callAgain = async (calling: Calling, first: unknown): Promise<Called> => {
    const { args, untilMs } = calling
    const { slot } = calling.bucket
    let error = first
    let isRepeat = false
    let pauseMs = pauseMsMin
    for (;;) {
      const answer = await onFailure({ topology, slot, args, error })
      if (answer.kind === 'reply') return { reply: answer.reply, copies: 0, isRepeat, isRetried: true }
      if (answer.kind === 'throw') {
        // It may have been carried out before: nobody may be told that it was not.
        if (isRepeat && answer.isFull === true) throw storeError('CURFEW_STORE_UNREACHABLE', { slot, why: whyOf(error) }, error)
        throw answer.error
      }
      if (answer.kind === 'lost') isRepeat = true
      if (answer.kind !== 'again' || clock.nowMs() >= untilMs) {
        if (clock.nowMs() + pauseMs >= untilMs)
          throw storeError(error instanceof Unconfirmed ? 'CURFEW_STORE_UNCONFIRMED' : 'CURFEW_STORE_UNREACHABLE', { slot, why: whyOf(error) }, error)
        await pause(clock, pauseMs)
        pauseMs = Math.min(pauseMsMax, pauseMs * 2)
        await topology.refresh().catch(() => undefined)
      }
      try {
        return { ...(await once(topology, calling)), isRepeat, isRetried: true }
      } catch (again) {
        error = again
      }
    }
  }

  const judge = ({ reply, copies: have }: Written, promised: Promised, bucket: Bucket): Durability => {
    if (have >= copies) return copies === 0 ? 'local' : 'replicated'
    const { again } = promised
    if (again !== undefined && promised.isDone?.(reply) !== false) remember({ bucket, ...(typeof again === 'function' ? again(reply) : again) }, promised)
    pay()
    if (isStrict && promised.isEnding !== true) throw storeError('CURFEW_STORE_NOT_REPLICATED', { copies: have, wanted: copies })
    return 'degraded'
  }

  return {
    read: (bucket, command, key, ...args) => read(bucket, [command, bucket.prefix + key, ...args]),
    readFunction: (bucket, name, ...args) => read(bucket, functionCall(bucket, name, args, 'FCALL_RO')),
    async write(bucket, name, args, promised = {}) {
      const called = await call(bucket, functionCall(bucket, name, args), 'write')
      return { reply: called.reply, isRepeat: called.isRepeat, durability: judge(called, promised, bucket) }
    },
    async writeKey(bucket, [command, key, ...args], promised = {}) {
      const called = await call(bucket, [command, bucket.prefix + key, ...args], 'write-key')
      return { reply: called.reply, isRepeat: called.isRepeat, durability: judge(called, promised, bucket) }
    },
    admit(buckets) {
      for (const bucket of buckets) {
        const server = serverOf(topology, bucket.slot)
        const waiting = lines.get(server)?.waiting ?? 0
        if (waiting >= waitingMax) throw storeError('CURFEW_STORE_OVERLOADED', { server, waiting })
      }
    },
    owe(bucket, work) {
      if (hasRoom({ isForeign: true })) {
        works.push({ bucket, work })
        foreign += 1
      } else {
        forgotten += 1
      }
      pay()
    },
    get owed() {
      return own + foreign
    },
    get forgotten() {
      return forgotten
    },
    close() {
      isClosed = true
      topology.close()
    }
  }
}

function functionCall(bucket: Bucket, name: string, args: readonly string[], command = 'FCALL'): readonly string[] {
  return [command, library.named(name), '1', `${bucket.prefix}beat`, ...args]
}

/** Who takes the writes of a slot; empty where nobody is known. */
function serverOf(topology: Topology, slot: number): string {
  try {
    return topology.primaryOf(slot).name
  } catch {
    return ''
  }
}

function once(topology: Topology, { bucket, args, use }: Calling): Promise<Written> {
  try {
    const primary = topology.primaryOf(bucket.slot)
    if (use === 'read') return primary.read(args).then(unwritten)
    return primary.write(args, use === 'write' ? undefined : functionCall(bucket, 'touch_copies', []))
  } catch (error) {
    return Promise.reject(error)
  }
}

function unwritten(reply: Reply): Written {
  return { reply, copies: 0 }
}

type Turn =
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** `isFull`: the server takes no write any more; whether it took one that was sent before, it does not say. */
  | { readonly kind: 'throw'; readonly error: unknown; readonly isFull?: true }
  /** At once, with what was learned. */
  | { readonly kind: 'again' }
  /** After a pause and a look around; `lost`: it may have been carried out. */
  | { readonly kind: 'later' | 'lost' }

async function onFailure({
  topology,
  slot,
  args,
  error
}: {
  readonly topology: Topology
  readonly slot: number
  readonly args: readonly string[]
  readonly error: unknown
}): Promise<Turn> {
  if (error instanceof LinkLost) return { kind: 'lost' }
  if (error instanceof Unconfirmed) return { kind: 'later' }
  const message = error instanceof Error ? error.message : String(error)
  const [word = '', , where = ''] = message.split(' ')
  switch (word) {
    case 'MOVED':
      topology.moved(slot, addressOf(where))
      return { kind: 'again' }
    case 'ASK':
      // A function uses more keys than the one that led it there: it waits until all of them have moved.
      if (args[0]?.startsWith('FCALL') === true) return { kind: 'later' }
      return askThere(topology.primaryAt(addressOf(where)), args)
    case 'TRYAGAIN':
    case 'CLUSTERDOWN':
    case 'LOADING':
    case 'READONLY':
    case 'MASTERDOWN':
    case 'NOREPLICAS':
    case 'BUSY':
      return { kind: 'later' }
  }
  const full = fullServerError(error)
  if (full !== undefined) return { kind: 'throw', error: full, isFull: true }
  // A part of the slot is elsewhere by now. Functions look for that before they write anything.
  if (/non local key/i.test(message)) return { kind: 'later' }
  if (/Function not found/i.test(message)) {
    const refused = await loadLibrary({ send: async (load) => (await topology.primaryOf(slot).write(load)).reply }).catch(() => undefined)
    // A server that is full never had the functions of this version, and does not take them.
    const fullNow = fullServerError(refused)
    return fullNow === undefined ? { kind: 'later' } : { kind: 'throw', error: fullNow, isFull: true }
  }
  return { kind: 'throw', error: error instanceof CurfewError ? error : storeError('CURFEW_STORE_FAILED', { why: message.slice(0, 200) }, error) }
}

/** While a slot is on the way, what it holds already is at its new place. */
async function askThere(primary: Primary, args: readonly string[]): Promise<Turn> {
  try {
    return { kind: 'reply', reply: await primary.ask(args) }
  } catch (error) {
    return error instanceof LinkLost ? { kind: 'lost' } : { kind: 'later' }
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve)
  })
}
