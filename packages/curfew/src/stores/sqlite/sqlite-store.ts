import type { Replication } from '../fact.ts'
import { factLog, type FactParts } from '../fact-log.ts'
import type { FactStore } from '../fact-store.ts'
import type { Ack, Durability, RunQuery, SessionQuery, Store } from '../store.ts'
import { storeError } from '../store-error.ts'
import { type ArtifactReads, artifactReads } from './artifact-reads.ts'
import { backupDatabase } from './backup.ts'
import type { CommandName, Commands } from './command.ts'
import { type Database, openDatabase } from './driver.ts'
import { type FactReads, factReads } from './fact-reads.ts'
import { type RunReads, runReads } from './run-reads.ts'
import { type ServiceReads, serviceReads } from './service-reads.ts'
import { type SessionReads, sessionReads } from './session-reads.ts'
import { toStoreError } from './sqlite-error.ts'
import { startWriter, type WriterClient } from './writer-client.ts'

export interface SqliteStoreOptions {
  /** Path of the database. Beside it lie `-wal`, `-shm`, `.lock`, `.pid` and `.reserve` while it is open. */
  readonly file: string
  /** Live sessions at most; more are refused, none is evicted. */
  readonly capacity: number
  /** Absent: nothing is told to other regions. */
  readonly replication?: Replication
  /** How long to wait while another program locks the file. Default 5000. */
  readonly busyTimeoutMs?: number
}

export interface SqliteStore extends Store {
  /**
   * Copies the database as it is now to a new file, while work goes on. Returns the number of pages.
   * @throws CURFEW_STORE_BACKUP_EXISTS, CURFEW_STORE_DISK_FULL, CURFEW_STORE_FAILED
   */
  backup(target: string): Promise<number>
}

const busyTimeoutMsDefault = 5000
const durability: Durability = 'local'

/** Entries that one transaction of a purge removes: ends and sign-ins do not wait behind more. */
const purgeBatchMax = 50

/**
 * Opens, or creates, the database and becomes its only owner. Writes go through one writer thread and are
 * acknowledged when they are on the disk; reads happen at once on the calling thread and see every acknowledged write.
 * @throws CURFEW_STORE_LOCKED with the `pid` of the owner; CURFEW_STORE_OPEN, CURFEW_STORE_READ_ONLY,
 *   CURFEW_STORE_DAMAGED, CURFEW_STORE_SCHEMA_NEWER, CURFEW_STORE_SQLITE_VERSION, CURFEW_STORE_NETWORK_DISK,
 *   CURFEW_STORE_DISK_FULL, CURFEW_STORE_BUSY
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const busyTimeoutMs = options.busyTimeoutMs ?? busyTimeoutMsDefault
  const { file, capacity, replication } = options
  const writer = await startWriter({ file, capacity, busyTimeoutMs, ...(replication === undefined ? {} : { replication }) })
  try {
    const db = openDatabase(writer.file, { readOnly: true, timeout: busyTimeoutMs })
    return storeOn(writer, db, busyTimeoutMs, replication)
  } catch (error) {
    await writer.close()
    throw toStoreError(error, writer.file)
  }
}

interface Access {
  readonly ask: <N extends CommandName>(name: N, input: Commands[N]['input']) => Promise<Ack<Commands[N]['result']>>
  readonly read: <T>(question: () => T) => Promise<T>
}

function storeOn(writer: WriterClient, db: Database, busyTimeoutMs: number, replication: Replication | undefined): SqliteStore {
  const { file } = writer
  const access: Access = {
    ask: async (name, input) => ({ value: await writer.ask(name, input), durability }),
    async read(question) {
      if (!db.isOpen) throw storeError('CURFEW_STORE_CLOSED', { file })
      try {
        return question()
      } catch (error) {
        throw toStoreError(error, file)
      }
    }
  }
  const sessions = sessionReads(db)
  const runs = runReads(db)
  return {
    ...sessionCalls(access, sessions),
    ...runCalls(access, runs),
    ...serviceCalls(access, serviceReads(db)),
    ...artifactCalls(access, artifactReads(db)),
    ...(replication === undefined ? {} : { facts: factCalls(access, factReads(db, replication.artifacts), { sessions, runs, replication }) }),
    backup: (target) => backupDatabase(file, target, busyTimeoutMs),
    describe: () =>
      access.read(() => ({
        kind: 'sqlite',
        location: file,
        durability,
        liveSessions: sessions.countLiveSessions(),
        openRuns: runs.openRuns(),
        pendingEffects: runs.pendingEffects()
      })),
    async [Symbol.asyncDispose]() {
      if (db.isOpen) db.close()
      await writer.close()
    }
  }
}

function sessionCalls({ ask, read }: Access, reads: SessionReads) {
  return {
    openSession: (session) => ask('openSession', session),
    addParticipant: (sessionId, participant) => ask('addParticipant', { sessionId, participant }),
    endSession: (commit) => ask('endSession', commit),
    openRun: (opening) => ask('openRun', opening),
    touch: (sessionId, lastActivityAtMs, idleExpiresAtMs) => ask('touch', { sessionId, lastActivityAtMs, idleExpiresAtMs }),
    renewSession: (sessionId, renewal) => ask('renewSession', { sessionId, renewal }),
    getSession: (sessionId) => read(() => reads.getSession(sessionId)),
    getParticipants: (sessionId) => read(() => reads.getParticipants(sessionId)),
    findSessionByToken: (tokenHash) => read(() => reads.findSessionByToken(tokenHash)),
    findSessionByPersistentToken: (tokenHash) => read(() => reads.findSessionByPersistentToken(tokenHash)),
    findByNameId: (peerId, nameIdValue) => read(() => reads.findByNameId(peerId, nameIdValue)),
    findByIndex: (peerId, sessionIndex) => read(() => reads.findByIndex(peerId, sessionIndex)),
    findByAddress: (address) => read(() => reads.findByAddress(address)),
    findByUser: (userKey) => read(() => reads.findByUser(userKey)),
    listSessions: (query) => read(() => reads.listSessions(query)),
    countLiveSessions: () => read(() => reads.countLiveSessions()),
    dueSessions: (nowMs, max) => read(() => reads.dueSessions(nowMs, max))
  } satisfies Partial<Store>
}

function runCalls({ ask, read }: Access, reads: RunReads) {
  return {
    getRun: (runId) => read(() => reads.getRun(runId)),
    listRuns: (query) => read(() => reads.listRuns(query)),
    findOpenRunByToken: (tokenHash) => read(() => reads.findOpenRunByToken(tokenHash)),
    findByMessage: (peerId, messageId) => read(() => reads.findByMessage(peerId, messageId)),
    commitRun: (commit) => ask('commitRun', commit),
    async claimEffects(claim) {
      const next = await read(() => reads.nextEffectAtMs())
      if (next === undefined || next > claim.nowMs) return []
      return (await ask('claimEffects', claim)).value
    },
    releaseEffects: (owner) => ask('releaseEffects', { owner }),
    nextEffectAtMs: () => read(() => reads.nextEffectAtMs())
  } satisfies Partial<Store>
}

function factCalls(
  { ask, read }: Access,
  reads: FactReads,
  { sessions, runs, replication }: { readonly sessions: SessionReads; readonly runs: RunReads; readonly replication: Replication }
): FactStore {
  const ofSession: FactStore['ofSession'] = (id) => read(() => reads.ofSession(id))
  const parts: FactParts = {
    parts: 1,
    ends: () => read(() => [reads.ends()]),
    after: ([position = 0], max) => read(() => [{ ...reads.ends(), facts: reads.after(position, max) }]),
    drop: async ([upTo = 0]) => void (await ask('dropFacts', { upTo })),
    begin: async () => '',
    note: (name) => read(() => reads.note(name)),
    keepNote: async (name, text) => void (await ask('keepNote', { name, text })),
    services: (place, max) => read(() => reads.services(place, max))
  }
  const lists = {
    listSessions: (query: SessionQuery) => read(() => sessions.listSessions(query)),
    listRuns: (query: RunQuery) => read(() => runs.listRuns(query))
  }
  return {
    ...factLog(parts, { ...lists, ofSession }, replication),
    group: replication.group,
    ofSession,
    apply: (batch) => ask('applyFacts', batch),
    late: (max) => read(() => reads.late(max)),
    openLateRun: (opening) => ask('openLateRun', opening),
    lease: async (name, owner, nowMs, untilMs) => (await ask('lease', { name, owner, nowMs, untilMs })).value
  }
}

function artifactCalls({ ask, read }: Access, reads: ArtifactReads) {
  return {
    putArtifact: ({ value, ...artifact }) => ask('putArtifact', { ...artifact, json: JSON.stringify(value) ?? 'null' }),
    getArtifact: (kind, id, nowMs) => read(() => reads.get(kind, id, nowMs)),
    consumeArtifact: (kind, id, nowMs) => ask('consumeArtifact', { kind, id, nowMs }),
    dropArtifact: (kind, id) => ask('dropArtifact', { kind, id }),
    dropGrant: (grantId) => ask('dropGrant', { grantId }),
    artifactsOf: (sessionId, kind, nowMs, max) => read(() => reads.ofSession(sessionId, kind, nowMs, max)),
    artifactsOfGrant: (grantId, kind, nowMs, max) => read(() => reads.ofGrant(grantId, kind, nowMs, max))
  } satisfies Partial<Store>
}

function serviceCalls({ ask, read }: Access, reads: ServiceReads) {
  return {
    revoke: (sri, untilMs, atMs) => ask('revoke', { sri, untilMs, atMs }),
    isRevoked: (sri, nowMs) => read(() => reads.isRevoked(sri, nowMs)),
    revocationFeed: (cursor, max) => read(() => reads.revocationFeed(cursor, max)),
    revocationList: () => read(() => reads.revocationList()),
    replaySeen: (issuer, id, untilMs, nowMs) => ask('replaySeen', { issuer, id, untilMs, nowMs }),
    lockBump: (userKey, nowMs, windowMs) => ask('lockBump', { userKey, nowMs, windowMs }),
    lockRead: (userKey, nowMs, windowMs) => read(() => reads.lockRead(userKey, nowMs, windowMs)),
    lockClear: (userKey) => ask('lockClear', { userKey }),
    txCreate: (key, value, untilMs) => ask('txCreate', { key, json: JSON.stringify(value) ?? 'null', untilMs }),
    txGet: (key, nowMs) => read(() => reads.txGet(key, nowMs)),
    async txTake(key, nowMs) {
      const { value } = await ask('txTake', { key, nowMs })
      return { value: value === undefined ? undefined : JSON.parse(value), durability }
    },
    appendAudit: (record) => ask('appendAudit', record),
    listAudit: (query) => read(() => reads.listAudit(query)),
    async purge(nowMs, keepRunsMs, max) {
      let removed = 0
      while (removed < max) {
        const batch = Math.min(purgeBatchMax, max - removed)
        const { value } = await ask('purge', { nowMs, keepRunsMs, max: batch })
        removed += value
        if (value < batch) break
      }
      return removed
    }
  } satisfies Partial<Store>
}
