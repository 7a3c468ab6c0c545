import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storeConformance } from '../../src/stores/conformance/store-conformance.ts'
import { openSqliteStore, type SqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'

storeConformance('sqlite', async (capacity, replication) => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-store-'))
  const file = join(folder, 'curfew.db')
  const options = { file, capacity, ...(replication === undefined ? {} : { replication }) }
  let store: SqliteStore = await openSqliteStore(options)
  return {
    store,
    async reopen() {
      await store[Symbol.asyncDispose]()
      store = await openSqliteStore(options)
      return store
    },
    async close() {
      await store[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    }
  }
})
