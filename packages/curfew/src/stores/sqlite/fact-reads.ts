import type { SessionId } from '../../core/ids.ts'
import { type Fact, goneFact, type Replication, type ServiceFact } from '../fact.ts'
import type { NumberedFact, PartEnds } from '../fact-log.ts'
import type { LateParticipants } from '../fact-store.ts'
import { factsOfSession } from '../session-state.ts'
import { type ArtifactRow, artifactColumns, readArtifact } from './artifact-writes.ts'
import { type Column, type Database, prepare } from './driver.ts'
import { sessionStates } from './session-states.ts'

export interface FactReads {
  ends(): PartEnds
  after(position: number, max: number): readonly NumberedFact[]
  note(name: string): string | undefined
  ofSession(id: SessionId): readonly Fact[]
  late(max: number): readonly LateParticipants[]
  services(place: string | undefined, max: number): { readonly facts: readonly Fact[]; readonly place?: string }
}

export function factReads(db: Database, artifacts: Replication['artifacts']): FactReads {
  const last = prepare<{ readonly seq: number }>(db, "SELECT seq FROM sqlite_sequence WHERE name = 'fact'")
  const after = prepare<{ readonly number: number; readonly doc: string }>(db, 'SELECT number, doc FROM fact WHERE number > ? ORDER BY number LIMIT ?')
  const noteOf = prepare<{ readonly text: string }>(db, 'SELECT text FROM fact_note WHERE name = ?')
  const lateSessions = prepare<{ readonly session_id: SessionId }>(db, 'SELECT DISTINCT session_id FROM late ORDER BY session_id LIMIT ?')
  const lateOf = prepare<{ readonly participant_id: string }>(db, 'SELECT participant_id FROM late WHERE session_id = ?')
  const states = sessionStates(db)
  const scans = servicesScans(db, artifacts)
  return {
    ends() {
      const [head, floor] = [last.get()?.seq ?? 0, Number(noteOf.get('floor')?.text ?? 0)]
      return { head, floor, length: head - floor }
    },
    after: (position, max) => after.all(position, max).map(({ number, doc }) => ({ number, fact: JSON.parse(doc) as Fact })),
    note: (name) => noteOf.get(name)?.text,
    ofSession: (id) => factsOfSession(states.stateOf(id)),
    late: (max) =>
      lateSessions.all(max).flatMap(({ session_id }) => {
        const { session, participants } = states.stateOf(session_id)
        if (session === undefined) return []
        const ids = new Set(lateOf.all(session_id).map((row) => row.participant_id))
        return [{ session, participants: [...participants.values()].filter((one) => ids.has(one.id)) }]
      }),
    services(place, max) {
      const [index = '0', ...rest] = (place ?? '0').split(' ')
      const scan = scans[Number(index)]
      if (scan === undefined) return { facts: [] }
      const from = rest.length === 0 ? scan.start : (JSON.parse(rest.join(' ')) as readonly Column[])
      const rows = scan.page(from, max)
      const end = rows.at(-1)?.key
      if (rows.length === max && end !== undefined) return { facts: rows.map(({ fact }) => fact), place: `${index} ${JSON.stringify(end)}` }
      const next = Number(index) + 1
      return { facts: rows.map(({ fact }) => fact), ...(next < scans.length ? { place: String(next) } : {}) }
    }
  }
}

/** One table in the order of its key. */
interface Scan {
  readonly start: readonly Column[]
  page(from: readonly Column[], max: number): readonly { readonly key: readonly Column[]; readonly fact: ServiceFact }[]
}

function servicesScans(db: Database, artifacts: Replication['artifacts']): readonly Scan[] {
  const scan = <Row>(sql: string, start: readonly Column[], keyOf: (row: Row) => readonly Column[], factOf: (row: Row) => ServiceFact): Scan => {
    const rows = prepare<Row>(db, sql)
    return { start, page: (from, max) => rows.all(...from, max).map((row) => ({ key: keyOf(row), fact: factOf(row) })) }
  }
  return [
    scan<{ readonly cursor: number; readonly sri: string; readonly until_ms: number; readonly at_ms: number }>(
      'SELECT cursor, sri, until_ms, at_ms FROM revocation WHERE cursor > ? ORDER BY cursor LIMIT ?',
      [0],
      ({ cursor }) => [cursor],
      ({ sri, until_ms, at_ms }) => ({ kind: 'revoked', service: 'revocations', sri, untilMs: until_ms, atMs: at_ms })
    ),
    scan<{ readonly issuer: string; readonly id: string; readonly until_ms: number }>(
      'SELECT issuer, id, until_ms FROM replay WHERE (issuer, id) > (?, ?) ORDER BY issuer, id LIMIT ?',
      ['', ''],
      ({ issuer, id }) => [issuer, id],
      ({ issuer, id, until_ms }) => ({ kind: 'replay', service: 'assertionReplay', issuer, id, untilMs: until_ms })
    ),
    scan<FailureRow>(
      `SELECT number, user_key, at_ms, until_ms, origin, origin_number FROM failed_sign_in
       WHERE number > ? AND origin IS NOT NULL ORDER BY number LIMIT ?`,
      [0],
      ({ number }) => [number],
      ({ user_key, origin, origin_number, at_ms, until_ms }) => ({
        kind: 'failed-sign-in',
        service: 'accountLocking',
        userKey: user_key,
        origin,
        number: origin_number,
        atMs: at_ms,
        untilMs: until_ms
      })
    ),
    scan<{ readonly user_key: string; readonly origin: string; readonly number: number; readonly until_ms: number }>(
      'SELECT user_key, origin, number, until_ms FROM sign_ins_cleared WHERE (user_key, origin) > (?, ?) ORDER BY user_key, origin LIMIT ?',
      ['', ''],
      ({ user_key, origin }) => [user_key, origin],
      ({ user_key, origin, number, until_ms }) => ({
        kind: 'sign-ins-cleared',
        service: 'accountLocking',
        userKey: user_key,
        upTo: { [origin]: number },
        untilMs: until_ms
      })
    ),
    ...artifactScans(db, artifacts),
    scan<{ readonly key: string; readonly until_ms: number; readonly value: string }>(
      'SELECT key, until_ms, value FROM tx WHERE key > ? ORDER BY key LIMIT ?',
      [''],
      ({ key }) => [key],
      ({ key, until_ms, value }) => ({ kind: 'transaction', service: 'transactions', key, value: JSON.parse(value) as unknown, untilMs: until_ms })
    ),
    scan<{ readonly kind: string; readonly id: string; readonly until_ms: number }>(
      'SELECT kind, id, until_ms FROM gone WHERE (kind, id) > (?, ?) ORDER BY kind, id LIMIT ?',
      ['', ''],
      ({ kind, id }) => [kind, id],
      ({ kind, id, until_ms }) => goneFact(kind, id, until_ms, artifacts)
    )
  ]
}

/** Each kind of artifact that travels by itself: the others are passed over without a look. */
function artifactScans(db: Database, artifacts: Replication['artifacts']): readonly Scan[] {
  const rows = prepare<ArtifactRow & { readonly version: number }>(
    db,
    `SELECT ${artifactColumns}, version FROM artifact WHERE kind = ? AND id > ? ORDER BY id LIMIT ?`
  )
  return Object.entries(artifacts).map(([kind, service]) => ({
    start: [''],
    page: ([from = ''], max) =>
      rows.all(kind, from, max).map((row) => ({ key: [row.id], fact: { kind: 'artifact', service, artifact: readArtifact(row), version: row.version } }))
  }))
}

interface FailureRow {
  readonly number: number
  readonly user_key: string
  readonly at_ms: number
  readonly until_ms: number
  readonly origin: string
  readonly origin_number: number
}
