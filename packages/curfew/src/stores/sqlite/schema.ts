import { storeError } from '../store-error.ts'
import type { SessionId } from '../../core/ids.ts'
import { addressesOf, type Session } from '../../core/session.ts'
import { type Database, prepare } from './driver.ts'

/** Marks the file as ours: `Curf` in ASCII. */
const applicationId = 0x43757266

/** Names the revocation list of a file that has none: a new one, or one brought back from a backup. */
export function nameRevocationList(db: Database): void {
  db.exec("INSERT OR IGNORE INTO fact_note (name, text) VALUES ('list', lower(hex(randomblob(16))))")
}

/** What is read from a copy may have gone on elsewhere: its list is another one. */
export function forgetRevocationList(db: Database): void {
  db.exec("DELETE FROM fact_note WHERE name = 'list'")
}

interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
  /** What SQL can't do. */
  readonly fill?: (db: Database) => void
}

/** In order; a migration that was released is never changed. Every table is described in STORAGE-SCHEMA.md. */
const migrations: readonly Migration[] = [
  {
    version: 1,
    name: 'sessions, runs, outbox and services',
    sql: `
      CREATE TABLE session (
        id TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        user_key TEXT NOT NULL,
        username TEXT NOT NULL,
        token_hash TEXT NOT NULL,
        persistent_token_hash TEXT,
        created_at_ms INTEGER NOT NULL,
        last_activity_at_ms INTEGER NOT NULL,
        idle_expires_at_ms INTEGER NOT NULL,
        expires_at_ms INTEGER NOT NULL,
        due_at_ms INTEGER NOT NULL,
        keep_until_ms INTEGER,
        end_doc TEXT,
        doc TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX session_user ON session (user_key, created_at_ms);
      CREATE INDEX session_username ON session (username, created_at_ms);
      CREATE INDEX session_token ON session (token_hash);
      CREATE INDEX session_persistent ON session (persistent_token_hash) WHERE persistent_token_hash IS NOT NULL;
      CREATE INDEX session_created ON session (created_at_ms);
      CREATE INDEX session_due ON session (due_at_ms) WHERE end_doc IS NULL;
      CREATE INDEX session_keep ON session (keep_until_ms) WHERE keep_until_ms IS NOT NULL;

      CREATE TABLE participant (
        session_id TEXT NOT NULL,
        id TEXT NOT NULL,
        peer_id TEXT NOT NULL,
        name_id TEXT NOT NULL,
        session_index TEXT NOT NULL,
        doc TEXT NOT NULL,
        PRIMARY KEY (session_id, id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX participant_name ON participant (peer_id, name_id);
      CREATE INDEX participant_index ON participant (peer_id, session_index);

      CREATE TABLE run (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        session_id TEXT NOT NULL,
        username TEXT NOT NULL,
        token_hash TEXT NOT NULL,
        reason TEXT NOT NULL,
        state TEXT NOT NULL,
        started_at_ms INTEGER NOT NULL,
        finished_at_ms INTEGER,
        doc TEXT NOT NULL
      ) STRICT;
      CREATE INDEX run_started ON run (started_at_ms, id);
      CREATE INDEX run_username ON run (username, started_at_ms, id);
      CREATE INDEX run_session ON run (session_id, started_at_ms, id);
      CREATE INDEX run_open ON run (token_hash) WHERE state = 'open';
      CREATE INDEX run_finished ON run (finished_at_ms, id) WHERE state = 'done';

      CREATE TABLE message (
        peer_id TEXT NOT NULL,
        message_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        delivery_id TEXT NOT NULL,
        PRIMARY KEY (peer_id, message_id)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE effect (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id TEXT NOT NULL,
        due_at_ms INTEGER NOT NULL,
        ready_at_ms INTEGER NOT NULL,
        owner TEXT,
        doc TEXT NOT NULL
      ) STRICT;
      CREATE INDEX effect_ready ON effect (ready_at_ms);
      CREATE INDEX effect_run ON effect (run_id);

      CREATE TABLE revocation (
        cursor INTEGER PRIMARY KEY AUTOINCREMENT,
        sri TEXT NOT NULL UNIQUE,
        until_ms INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX revocation_until ON revocation (until_ms, sri);

      CREATE TABLE replay (
        issuer TEXT NOT NULL,
        id TEXT NOT NULL,
        until_ms INTEGER NOT NULL,
        PRIMARY KEY (issuer, id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX replay_until ON replay (until_ms);

      CREATE TABLE failed_sign_in (
        number INTEGER PRIMARY KEY,
        user_key TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        until_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX failed_sign_in_user ON failed_sign_in (user_key, at_ms);
      CREATE INDEX failed_sign_in_until ON failed_sign_in (until_ms, user_key);

      CREATE TABLE tx (
        key TEXT PRIMARY KEY,
        until_ms INTEGER NOT NULL,
        value TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX tx_until ON tx (until_ms);

      CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_key TEXT,
        doc TEXT NOT NULL
      ) STRICT;
      CREATE INDEX audit_user ON audit (user_key) WHERE user_key IS NOT NULL;

      CREATE TABLE tally (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      INSERT INTO tally VALUES ('live_sessions', 0);
    `
  },
  {
    version: 2,
    name: 'artifacts of OpenID',
    sql: `
      CREATE TABLE artifact (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        grant_id TEXT,
        session_id TEXT,
        until_ms INTEGER NOT NULL,
        consumed_at_ms INTEGER,
        doc TEXT NOT NULL,
        PRIMARY KEY (kind, id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX artifact_grant ON artifact (grant_id) WHERE grant_id IS NOT NULL;
      CREATE INDEX artifact_session ON artifact (session_id, kind, id) WHERE session_id IS NOT NULL;
      CREATE INDEX artifact_until ON artifact (until_ms, kind, id);
    `
  },
  {
    version: 3,
    name: 'facts for and of other regions',
    sql: `
      ALTER TABLE session ADD COLUMN told_at_ms INTEGER;
      ALTER TABLE session ADD COLUMN ending_doc TEXT;
      ALTER TABLE run ADD COLUMN is_copy INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE artifact ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
      ALTER TABLE failed_sign_in ADD COLUMN origin TEXT;
      ALTER TABLE failed_sign_in ADD COLUMN origin_number INTEGER;
      CREATE INDEX run_copy ON run (started_at_ms) WHERE is_copy = 1 AND state = 'open';

      CREATE TABLE fact (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        doc TEXT NOT NULL
      ) STRICT;

      CREATE TABLE fact_note (
        name TEXT PRIMARY KEY,
        text TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE fact_guard (
        session_id TEXT PRIMARY KEY,
        until_ms INTEGER NOT NULL,
        doc TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX fact_guard_until ON fact_guard (until_ms);

      CREATE TABLE gone (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        until_ms INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX gone_until ON gone (until_ms);

      CREATE TABLE sign_ins_cleared (
        user_key TEXT NOT NULL,
        origin TEXT NOT NULL,
        number INTEGER NOT NULL,
        until_ms INTEGER NOT NULL,
        PRIMARY KEY (user_key, origin)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX sign_ins_cleared_until ON sign_ins_cleared (until_ms);

      CREATE TABLE late (
        session_id TEXT NOT NULL,
        participant_id TEXT NOT NULL,
        PRIMARY KEY (session_id, participant_id)
      ) STRICT, WITHOUT ROWID;
    `
  },
  {
    version: 4,
    name: 'sessions by address',
    sql: `
      CREATE TABLE session_address (
        address TEXT NOT NULL,
        session_id TEXT NOT NULL,
        PRIMARY KEY (address, session_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX session_address_session ON session_address (session_id);
    `,
    fill: fillAddresses
  },
  {
    version: 5,
    name: 'an audit log that can only grow',
    sql: `
      CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
      CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
      CREATE TRIGGER audit_at_end BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
    `
  }
]

/** Lower case is that of the program: SQL knows ASCII only. */
function fillAddresses(db: Database): void {
  const insert = prepare(db, 'INSERT OR IGNORE INTO session_address (address, session_id) VALUES (?, ?)')
  // The words of this version of the file, and one session at a time: there may be millions.
  const all = prepare<{ id: SessionId; username: string; doc: string }>(db, 'SELECT id, username, doc FROM session WHERE end_doc IS NULL')
  for (const { id, username, doc } of all.iterate()) {
    const { attributes } = JSON.parse(doc) as Pick<Session, 'attributes'>
    for (const address of addressesOf({ username, attributes })) insert.run(address, id)
  }
}

/**
 * Settings of the writing connection. `FULL`: a commit that was acknowledged survives a power cut.
 * @throws CURFEW_STORE_DAMAGED when the file belongs to another program
 */
export function prepareFile(db: Database, file: string): void {
  const found = prepare<{ readonly application_id: number }>(db, 'PRAGMA application_id').get()?.application_id
  const tables = prepare<{ readonly n: number }>(db, 'SELECT count(*) AS n FROM sqlite_schema').get()?.n
  if (found !== applicationId && (found !== 0 || tables !== 0)) {
    throw storeError('CURFEW_STORE_DAMAGED', { file, reason: 'the file belongs to another program' })
  }
  db.exec(`
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA journal_size_limit = ${64 * 1024 * 1024};
    PRAGMA cache_size = -32768;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
  `)
  if (found !== applicationId) db.exec(`PRAGMA application_id = ${applicationId}`)
}

/**
 * Brings the tables to the version of this program, in one transaction.
 * @throws CURFEW_STORE_SCHEMA_NEWER when they are ahead of it
 */
export function migrate(db: Database, file: string): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    db.exec('CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT')
    const at = prepare<{ readonly v: number }>(db, 'SELECT coalesce(max(version), 0) AS v FROM migration').get()?.v ?? 0
    const newest = migrations.at(-1)?.version ?? 0
    if (at > newest) throw storeError('CURFEW_STORE_SCHEMA_NEWER', { file, found: at, known: newest })
    const record = prepare(db, 'INSERT INTO migration VALUES (?, ?)')
    for (const { version, name, sql, fill } of migrations) {
      if (version <= at) continue
      db.exec(sql)
      fill?.(db)
      record.run(version, name)
    }
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
