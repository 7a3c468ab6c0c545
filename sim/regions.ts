import type { ParticipantId, SessionId } from '../packages/curfew/src/core/ids.ts'
import { createIds } from '../packages/curfew/src/platform/ids.ts'
import { createLocator } from '../packages/curfew/src/platform/locator.ts'
import type { Random } from '../packages/curfew/src/platform/random.ts'
import { factsOf, sampleReplication } from '../packages/curfew/src/stores/conformance/carry.ts'
import { sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { createMemoryStore, type MemoryStore } from '../packages/curfew/src/stores/memory/memory-store.ts'
import { byAdmin, createEngineKit, type EngineKit, soapPeer } from '../packages/curfew/test/support/engine-kit.ts'
import { createFakeClock, type FakeClock } from '../packages/curfew/test/support/fake-clock.ts'
import { createScriptedSender } from '../packages/curfew/test/support/scripted-sender.ts'
import { createSeededRandom } from '../packages/curfew/test/support/seeded-random.ts'
import { Broken } from './invariants.ts'
import type { Trace } from './trace.ts'

/** One region: a store, an engine and a clock that may be off. */
interface Region {
  readonly letter: string
  readonly store: MemoryStore
  readonly kit: EngineKit
  readonly skewMs: number
  /** Writes a line of the trace. */
  readonly tell: (text: string) => void
}

/** What was acknowledged, and by whom a session was ended. */
interface Seen {
  readonly participants: Map<SessionId, Set<ParticipantId>>
  readonly endedBy: Map<SessionId, number>
}

export interface RegionsOptions {
  readonly seed: number
  /** Puts another store in the place of one: a rule that this breaks has to be found. */
  readonly spoil?: (store: MemoryStore) => MemoryStore
  /** Hears of every step; absent: nobody reads it. */
  readonly trace?: Trace
}

const letters = ['a', 'b', 'c'] as const
const peers = ['payroll', 'intranet', 'wiki', 'chat'] as const
const steps = 70
const skewMsMax = 300_000

/**
 * Regions that work while facts are late, lost, repeated, trimmed away and read whole, on clocks that differ.
 * @throws Broken with the rule that did not hold
 */
export async function simulateRegions({ seed, spoil, trace }: RegionsOptions): Promise<void> {
  const random = createSeededRandom(seed)
  const clock = createFakeClock()
  const regions = letters.map((letter) => regionOf(letter, clock, random, { spoil, tell: (text) => trace?.add(clock.nowMs(), text) }))
  const seen: Seen = { participants: new Map(), endedBy: new Map() }
  for (const { kit } of regions) await kit.engine.start()
  for (let n = 0; n < steps; n += 1) {
    await step({ regions, random, seen, n })
    if (random.fraction() < 0.3) await clock.advance(Math.floor(random.fraction() * 2_000))
    for (const region of regions) await checkEnded(region, seen)
  }
  await heal(regions, clock)
  await checkAtRest(regions, seen)
  for (const { kit } of regions) await kit.engine.stop()
}

function regionOf(
  letter: string,
  base: FakeClock,
  random: Random,
  { spoil, tell }: { readonly spoil: RegionsOptions['spoil']; readonly tell: Region['tell'] }
): Region {
  const skewMs = Math.floor((random.fraction() - 0.5) * 2 * skewMsMax)
  const clock: FakeClock = { ...base, nowMs: () => base.nowMs() + skewMs }
  const own = createMemoryStore({ capacity: 1_000, replication: sampleReplication(letter) })
  const store = spoil?.(own) ?? own
  const ids = createIds(createSeededRandom(letter.charCodeAt(0)), letter)
  const sender = createScriptedSender()
  const kit = createEngineKit({ store, clock, sender, peers: peers.map(soapPeer), deps: { ids, owner: `node of ${letter}` } })
  return { letter, store, kit, skewMs, tell: (text) => tell(`${letter}: ${text}`) }
}

interface Step {
  readonly regions: readonly Region[]
  readonly random: Random
  readonly seen: Seen
  readonly n: number
}

async function step({ regions, random, seen, n }: Step): Promise<void> {
  const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random.fraction() * all.length)]
  const region = pick(regions)
  const other = pick(regions)
  if (region === undefined || other === undefined) return
  const what = random.fraction()
  if (what < 0.15) return open(region, seen, n)
  if (what < 0.45) {
    const id = pick([...seen.participants.keys()])
    return id === undefined ? undefined : add(region, seen, { id, peer: pick(peers) ?? 'payroll' })
  }
  if (what < 0.55) {
    const id = pick([...seen.participants.keys()])
    return id === undefined ? undefined : end(region, seen, id)
  }
  if (what < 0.58) return factsOf(region.store).trim({ nowMs: region.kit.clock.nowMs(), groups: [], ageMsMax: 3_600_000, factsMax: 3 })
  if (what < 0.65) return logOutLate(region)
  if (other !== region) await pull(other, region, random)
}

async function open({ letter, store, kit, tell }: Region, seen: Seen, n: number): Promise<void> {
  const nowMs = kit.clock.nowMs()
  const id = createLocator([Buffer.alloc(32, 7)], createSeededRandom(n + 1), letter).newSessionId()
  const times = {
    createdAtMs: nowMs,
    authenticatedAtMs: nowMs,
    lastActivityAtMs: nowMs,
    idleExpiresAtMs: nowMs + 8 * 3_600_000,
    expiresAtMs: nowMs + 9 * 3_600_000
  }
  await store.openSession(sampleSession(n, { id, username: `user${n}`, ...times }))
  seen.participants.set(id, new Set())
  tell(`user${n} signs in: ${id}`)
}

async function add({ store, kit, tell }: Region, seen: Seen, { id, peer }: { readonly id: SessionId; readonly peer: string }): Promise<void> {
  const nowMs = kit.clock.nowMs()
  const participant = sampleParticipant(peer, 1, { addedAtMs: nowMs, lastIssuedAtMs: nowMs, assertionNotOnOrAfterMs: nowMs + 300_000 })
  const { value } = await store.addParticipant(id, participant)
  tell(`${peer} asks for an assertion for ${id}: ${value}`)
  if (value === 'added' || value === 'exists') seen.participants.get(id)?.add(participant.id)
}

async function end({ kit, tell }: Region, seen: Seen, id: SessionId): Promise<void> {
  const { ended } = await kit.engine.endSessions(byAdmin(id))
  tell(`logout of ${id}: ${ended[0]?.runId ?? 'none was ended'}`)
  if (ended.length > 0) seen.endedBy.set(id, (seen.endedBy.get(id) ?? 0) + 1)
}

async function logOutLate({ store, kit, tell }: Region): Promise<void> {
  for (const late of await factsOf(store).late(10)) {
    tell(`tells applications late: ${await kit.engine.logOutLate(late)}`)
  }
}

/** One page, which may get lost, be joined without its cursor, or be joined twice; or everything, which may break off. */
async function pull(from: Region, to: Region, random: Random): Promise<void> {
  const [source, target] = [factsOf(from.store), factsOf(to.store)]
  const nowMs = to.kit.clock.nowMs()
  const page = await source.read(await target.cursorOf(from.letter), 1 + Math.floor(random.fraction() * 5))
  const fate = random.fraction()
  const what = page.kind === 'facts' ? `a page of ${page.facts.length} facts` : 'everything'
  to.tell(`reads ${what} from ${from.letter}${fate < 0.2 ? ', which is lost' : fate < 0.4 && page.kind === 'facts' ? ', and forgets how far' : ''}`)
  if (fate < 0.2) return
  if (page.kind === 'facts') {
    const batch = { source: from.letter, facts: page.facts, nowMs }
    if (fate < 0.4) await target.apply(batch)
    else await target.apply({ ...batch, cursor: page.cursor })
    return
  }
  const head = await source.head()
  let place: string | undefined
  do {
    const whole = await source.export(place, 2, nowMs)
    if (random.fraction() < 0.1) return
    place = whole.place
    await target.apply({ source: from.letter, facts: whole.facts, nowMs, ...(place === undefined ? { cursor: head } : {}) })
  } while (place !== undefined)
}

/** Every link works: everything is told, everything that is owed is done. */
async function heal(regions: readonly Region[], clock: FakeClock): Promise<void> {
  const sure: Random = { bytes: (count) => new Uint8Array(count), fraction: () => 0.999 }
  for (let round = 0; round < 40; round += 1) {
    for (const to of regions) for (const from of regions) if (from !== to) await pull(from, to, sure)
    for (const region of regions) await logOutLate(region)
    await clock.advance(1_000)
  }
}

/** Ended is final: a session that a region knows the end of takes nobody in. */
async function checkEnded({ store, letter }: Region, seen: Seen): Promise<void> {
  for (const id of seen.participants.keys()) {
    const session = await store.getSession(id)
    if (session?.end === undefined) continue
    const { value } = await store.addParticipant(id, sampleParticipant('chat', 1))
    if (value !== 'ended') throw new Broken(`region ${letter} took a participant into a session that it knew the end of`)
  }
}

async function checkAtRest(regions: readonly Region[], seen: Seen): Promise<void> {
  for (const [id, participants] of seen.participants) {
    const ends = await Promise.all(regions.map(async ({ store }) => (await store.getSession(id))?.end))
    const told = regions.flatMap(({ kit }) => kit.sender.sent.filter(({ run }) => run.sessionId === id).map(({ delivery }) => delivery.participantId))
    const times = seen.endedBy.get(id) ?? 0
    if (new Set(ends.map((one) => JSON.stringify(one))).size !== 1) throw new Broken(`regions do not agree on the end of ${id}`)
    if (times === 0 && (ends[0] !== undefined || told.length > 0)) throw new Broken(`${id} ended by itself`)
    if (times === 0) continue
    if (ends[0] === undefined) throw new Broken(`the end of ${id} was forgotten`)
    for (const participant of participants) {
      const count = told.filter((one) => one === participant).length
      if (count === 0) throw new Broken(`${participant} was never told that ${id} ended`)
      // Regions that end a session at the same time tell what each of them knows; a second assertion is told by who issued it.
      if (times === 1 && count > regions.length) throw new Broken(`${participant} was told ${count} times that ${id} ended`)
    }
    const known = await Promise.all(regions.map(async ({ store }) => (await store.getParticipants(id)).map((one) => one.id).sort()))
    if (new Set(known.map((one) => one.join())).size !== 1) throw new Broken(`regions do not agree on the participants of ${id}`)
  }
}
