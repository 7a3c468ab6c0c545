import { DatabaseSync } from 'node:sqlite'
import type { Adapter, AdapterPayload } from 'oidc-provider'

/**
 * The least that keeps the models of oidc-provider as ours are kept: one SQLite file, every write on the disk before
 * it is answered (synchronous=FULL).
 */
export function sqliteAdapter(file: string): (kind: string) => Adapter {
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL')
  db.exec('CREATE TABLE model (kind TEXT, id TEXT, uid TEXT, grantId TEXT, json TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID')
  db.exec('CREATE INDEX byUid ON model (kind, uid); CREATE INDEX byGrant ON model (grantId)')
  const put = db.prepare('INSERT OR REPLACE INTO model VALUES (?, ?, ?, ?, ?)')
  const find = db.prepare('SELECT json FROM model WHERE kind = ? AND id = ?')
  const findByUid = db.prepare('SELECT json FROM model WHERE kind = ? AND uid = ?')
  const consume = db.prepare("UPDATE model SET json = json_set(json, '$.consumed', ?) WHERE kind = ? AND id = ?")
  const destroy = db.prepare('DELETE FROM model WHERE kind = ? AND id = ?')
  const revoke = db.prepare('DELETE FROM model WHERE grantId = ?')
  const payload = (row: Record<string, unknown> | undefined): AdapterPayload | undefined =>
    row === undefined ? undefined : (JSON.parse(String(row['json'])) as AdapterPayload)
  return (kind) => ({
    async upsert(id, value) {
      put.run(kind, id, value.uid ?? null, value.grantId ?? null, JSON.stringify(value))
    },
    find: async (id) => payload(find.get(kind, id)),
    findByUid: async (uid) => payload(findByUid.get(kind, uid)),
    findByUserCode: async () => undefined,
    async consume(id) {
      consume.run(Math.floor(Date.now() / 1000), kind, id)
    },
    async destroy(id) {
      destroy.run(kind, id)
    },
    async revokeByGrantId(grantId) {
      revoke.run(grantId)
    }
  })
}
