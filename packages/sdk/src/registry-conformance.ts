import { revocationFingerprint } from '@curfew/codecs'
import type { AppSession, LogoutSubject, SessionRegistry } from './session-registry.ts'

/** One thing that every registry must do. */
export interface RegistryCheck {
  /** A sentence of behaviour. */
  readonly name: string
  /** @throws Error that says what was different */
  readonly run: () => Promise<void>
}

/** The registry that {@link registryConformance} looks at. */
export interface ConformanceOptions {
  /** An empty registry. */
  readonly create: () => SessionRegistry | Promise<SessionRegistry>
  /** A second process's view of the same sessions as the registry that was created last. Absent: that registry itself. */
  readonly other?: () => SessionRegistry | Promise<SessionRegistry>
  /**
   * An empty registry with room for so many values of each kind that may give way. Absent: what gives way there is not
   * looked at.
   */
  readonly createSmall?: (room: number) => SessionRegistry | Promise<SessionRegistry>
  /** About the time now, where the registry has a clock of its own. */
  readonly nowMs: number
}

const idp = 'https://idp.example'
const minuteMs = 60_000
const attemptsAtOnce = 20
const smallRoom = 32

interface Stage {
  readonly registry: SessionRegistry
  readonly other: SessionRegistry
  readonly nowMs: number
  readonly session: (id: string, more?: Partial<AppSession>) => AppSession
}

/**
 * What a registry of your own has to do, for the runner of your tests:
 * `for (const { name, run } of registryConformance({ create, nowMs })) test(name, run)`.
 */
export function registryConformance({ create, createSmall, other, nowMs }: ConformanceOptions): readonly RegistryCheck[] {
  const session = (id: string, more: Partial<AppSession> = {}): AppSession => ({
    id,
    identityProvider: idp,
    nameId: { value: 'ana' },
    attributes: { mail: ['ana@example.org', 'a "quoted" one'] },
    createdAtMs: nowMs,
    expiresAtMs: nowMs + minuteMs,
    issuedAtMs: nowMs,
    ...more
  })
  const whole = Object.entries(checks).map(([name, check]) => ({
    name,
    async run() {
      const registry = await create()
      await check({ registry, other: (await other?.()) ?? registry, nowMs, session })
    }
  }))
  if (createSmall === undefined) return whole
  const small = Object.entries(smallChecks).map(([name, check]) => ({ name, run: async () => check(await createSmall(smallRoom), nowMs) }))
  return [...whole, ...small]
}

const smallChecks: Readonly<Record<string, (registry: SessionRegistry, nowMs: number) => Promise<void>>> = {
  async 'lets what came first give way, however long each is kept'(registry, nowMs) {
    for (const keep of ['if-room', 'mark-if-room'] as const) {
      const untilMs = (i: number): number => nowMs + (i % 2 === 0 ? 24 * 60 : 15) * minuteMs
      for (let i = 0; i < 3 * smallRoom; i++) {
        await registry.remember(`${keep} ${i}`, '1', untilMs(i), nowMs, keep)
        same(await registry.isRemembered(`${keep} ${i}`, nowMs), true, `whether value ${i} is remembered that was written just now`)
      }
      const known = await Promise.all(Array.from({ length: 3 * smallRoom }, (_, i) => registry.isRemembered(`${keep} ${i}`, nowMs)))
      same(known.lastIndexOf(false) + 1, known.indexOf(true), 'where those begin that are kept')
      same(known.filter(Boolean).length <= smallRoom, true, 'whether there are no more than there is room for')
    }
  },

  async 'has a room for sign-ins under way and one for marks, and neither takes from the other'(registry, nowMs) {
    const [short, long] = [nowMs + 15 * minuteMs, nowMs + 24 * 60 * minuteMs]
    await registry.remember('a sign-in', '1', short, nowMs, 'if-room')
    for (let i = 0; i < 3 * smallRoom; i++) await registry.remember(`mark ${i}`, '1', long, nowMs, 'mark-if-room')
    same(await registry.take('a sign-in', nowMs), '1', 'the sign-in that many marks came after')
    for (let i = 0; i < 3 * smallRoom; i++) await registry.remember(`sign-in ${i}`, '1', short, nowMs, 'if-room')
    same(await registry.take(`mark ${3 * smallRoom - 1}`, nowMs), '1', 'the mark that many sign-ins came after')
  }
}

const checks: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  async 'gives a session back as it was, in every process, until its time is over'({ registry, other, nowMs, session }) {
    const whole = session('a', { sessionIndex: 'i', sri: 's', idToken: 'x.y.z', nameId: { value: 'änä', format: 'urn:f', nameQualifier: 'q' } })
    await registry.open(whole)
    same(sorted(await other.get('a', nowMs)), sorted(whole), 'the session')
    same(await other.get('b', nowMs), undefined, 'an unknown session')
    same(await other.get('a', whole.expiresAtMs), undefined, 'a session whose time is over')
  },

  async 'ends a session once'({ registry, other, nowMs, session }) {
    await registry.open(session('a'))
    const answers = await Promise.all(Array.from({ length: attemptsAtOnce }, (_, i) => (i % 2 === 0 ? registry : other).end('a')))
    same(answers.filter(Boolean).length, 1, 'how many ended it')
    same(await other.get('a', nowMs), undefined, 'the session')
  },

  async 'ends what a logout names: a name, a name with indexes, an index alone, a name of whatever format'({ registry, other, nowMs, session }) {
    const format = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress'
    await registry.open(session('plain'))
    await registry.open(session('one', { sessionIndex: 'i1' }))
    await registry.open(session('two', { sessionIndex: 'i2' }))
    await registry.open(session('mail', { nameId: { value: 'ana', format, nameQualifier: 'q' } }))
    await registry.open(session('ben', { nameId: { value: 'ben' }, sessionIndex: 'i3' }))
    await registry.open(session('elsewhere', { identityProvider: 'https://other.example', sessionIndex: 'i1' }))
    const ends = async (subject: Partial<LogoutSubject>, ...ids: readonly string[]): Promise<void> => {
      const ended = await other.endBySubject({ identityProvider: idp, sessionIndexes: [], ...subject }, nowMs + minuteMs)
      same(ended.map(({ id }) => id).sort(), ids, `what ends by ${JSON.stringify(subject)}`)
    }
    await ends({ nameId: { value: 'ana' }, sessionIndexes: ['i1', 'unknown'] }, 'one')
    await ends({ nameId: { value: 'ana' }, sessionIndexes: ['i3'] })
    await ends({ sessionIndexes: ['i3'] }, 'ben')
    await ends({ nameId: { value: 'ana' } }, 'plain', 'two')
    await ends({ nameId: { value: 'ana' }, isAnyFormat: true }, 'mail')
    const left = await Promise.all(['plain', 'one', 'two', 'mail', 'ben', 'elsewhere'].map((id) => registry.get(id, nowMs)))
    same(
      left.flatMap((one) => (one === undefined ? [] : [one.id])),
      ['elsewhere'],
      'what is left'
    )
  },

  async 'keeps a tombstone of a logout until its time, for the sign-ins it covers and no others'({ registry, other, nowMs, session }) {
    const subject = { identityProvider: idp, nameId: { value: 'ana' }, sessionIndexes: ['i1'] }
    await registry.endBySubject({ ...subject, issuedUntilMs: nowMs }, nowMs + minuteMs)
    const isEnded = (more: Partial<AppSession>, atMs = nowMs) => other.isEnded(session('x', { sessionIndex: 'i1', ...more }), atMs)
    same(await isEnded({}), true, 'a sign-in issued up to then')
    same(await isEnded({ issuedAtMs: nowMs + 1 }), false, 'one issued later')
    same(await isEnded({ sessionIndex: 'i2' }), false, 'one of another index')
    same(await isEnded({ nameId: { value: 'ben' } }), false, 'one of another name')
    same(await isEnded({}, nowMs + minuteMs), false, 'when the tombstone is over')
    await registry.endBySubject({ ...subject, issuedUntilMs: nowMs - 1 }, nowMs + 2 * minuteMs)
    same(await isEnded({}, nowMs + minuteMs), true, 'a tombstone that was prolonged')
    await registry.endBySubject(subject, nowMs + 1)
    same(await isEnded({ issuedAtMs: nowMs + 1_000 }, nowMs + minuteMs), true, 'one that covers every sign-in now')
  },

  async 'keeps a tombstone of a logout that nobody signed as well'({ registry, other, nowMs, session }) {
    await registry.endBySubject({ identityProvider: idp, sessionIndexes: ['i1'], issuedUntilMs: nowMs, isUnsigned: true }, nowMs + minuteMs)
    same(await other.isEnded(session('x', { sessionIndex: 'i1' }), nowMs), true, 'a sign-in of that session')
    same(await other.isEnded(session('x', { sessionIndex: 'i2' }), nowMs), false, 'one of another')
  },

  async 'spares sessions that began after what it is told, and all of them where it is told 0'({ registry, other, nowMs, session }) {
    await registry.open(session('old', { issuedAtMs: nowMs - 1_000 }))
    await registry.open(session('new', { issuedAtMs: nowMs + 1_000 }))
    const subject = { identityProvider: idp, nameId: { value: 'ana' }, sessionIndexes: [] }
    same((await registry.endBySubject({ ...subject, sparesIssuedAfterMs: 0 }, nowMs + minuteMs)).length, 0, 'how many end with 0')
    const ended = await other.endBySubject({ ...subject, sparesIssuedAfterMs: nowMs }, nowMs + minuteMs)
    same(
      ended.map(({ id }) => id),
      ['old'],
      'what ends'
    )
    same((await registry.get('new', nowMs))?.id, 'new', 'the session that began later')
  },

  async 'ends what a page of the revocation feed lists'({ registry, other, nowMs, session }) {
    await registry.open(session('a', { sri: 's1' }))
    await registry.open(session('b', { sri: 's1' }))
    await registry.open(session('c', { sri: 's2' }))
    const fingerprints = Array.from({ length: 4_000 }, (_, i) => revocationFingerprint(`s${i === 0 ? 1 : i + 100}`))
    const ended = await other.endListed(fingerprints)
    same(ended.map(({ id }) => id).sort(), ['a', 'b'], 'what ends')
    same((await registry.get('c', nowMs))?.id, 'c', 'the session that is not listed')
    same((await other.endListed([])).length, 0, 'what ends by an empty page')
  },

  async 'keeps a tombstone of an SRI where it is told to, for the sign-ins it covers and no others, and none for a page of the feed'({
    registry,
    other,
    nowMs,
    session
  }) {
    await registry.open(session('a', { sri: 's1' }))
    const tombstone = { untilMs: nowMs + minuteMs, issuedUntilMs: nowMs }
    const ended = await registry.endListed([revocationFingerprint('s1')], tombstone)
    same(
      ended.map(({ id }) => id),
      ['a'],
      'what ends'
    )
    const isEnded = (more: Partial<AppSession>, atMs = nowMs) => other.isEnded(session('x', { sri: 's1', ...more }), atMs)
    same(await isEnded({}), true, 'a sign-in issued up to then')
    same(await isEnded({ identityProvider: 'https://other.example', nameId: { value: 'ben' } }), true, 'one of another name, by another provider')
    same(await isEnded({ issuedAtMs: nowMs + 1 }), false, 'one issued later')
    same(await isEnded({ sri: 's2' }), false, 'one of another SRI')
    same(await other.isEnded(session('x'), nowMs), false, 'one without SRI')
    same(await isEnded({}, nowMs + minuteMs), false, 'when the tombstone is over')
    await registry.endListed([revocationFingerprint('s2')])
    same(await isEnded({ sri: 's2' }), false, 'what a page of the feed lists')
  },

  async 'remembers a value once, whoever comes first, until its time or until it is taken'({ registry, other, nowMs }) {
    for (const keep of [undefined, 'if-room', 'mark-if-room'] as const) {
      const key = `key ${keep ?? ''}`
      const at = (i: number): SessionRegistry => (i % 2 === 0 ? registry : other)
      const firsts = await Promise.all(Array.from({ length: attemptsAtOnce }, (_, i) => at(i).remember(key, 'a value', nowMs + minuteMs, nowMs, keep)))
      same(firsts.filter(Boolean).length, 1, 'how many were first')
      same(await other.isRemembered(key, nowMs), true, 'whether it is remembered')
      same(await other.isRemembered(key, nowMs + minuteMs), false, 'whether it is when its time is over')
      same(await other.isRemembered('another', nowMs), false, 'whether another is')
      same(await registry.remember(key, 'again', nowMs + 2 * minuteMs, nowMs + minuteMs, keep), true, 'whether there is room when its time is over')
      const taken = await Promise.all(Array.from({ length: attemptsAtOnce }, (_, i) => at(i).take(key, nowMs + minuteMs)))
      same(
        taken.filter((value) => value !== undefined),
        ['again'],
        'what was taken'
      )
      await registry.remember(key, 'third', nowMs + minuteMs, nowMs, keep)
      same(await other.take(key, nowMs + minuteMs), undefined, 'what is taken when its time is over')
    }
  },

  async 'lets no sign-in slip between a logout and its tombstone'({ registry, other, nowMs, session }) {
    const attempts = Array.from({ length: attemptsAtOnce }, async (_, i) => {
      const late = session(`late ${i}`, { nameId: { value: `user ${i}` } })
      const opens = async (): Promise<boolean> => {
        await registry.open(late)
        return !(await registry.isEnded(late, nowMs))
      }
      const subject = { identityProvider: idp, nameId: late.nameId, sessionIndexes: [] }
      const [isOpen, ended] = await Promise.all([opens(), other.endBySubject(subject, nowMs + minuteMs)])
      return isOpen && ended.length === 0
    })
    same((await Promise.all(attempts)).filter(Boolean).length, 0, 'how many stayed open')
  }
}

function sorted(value: AppSession | undefined): unknown {
  return value === undefined ? undefined : Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
}

function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`)
}
