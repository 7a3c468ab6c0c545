import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storeConformance } from '../../src/stores/conformance/store-conformance.ts'
import { openSqliteStore, type SqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'

storeConformance('sqlite', async (capacity) => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-store-'))
  const file = join(folder, 'curfew.db')
  let store: SqliteStore = await openSqliteStore({ file, capacity })
  return {
    store,
    async reopen() {
      await store[Symbol.asyncDispose]()
      store = await openSqliteStore({ file, capacity })
      return store
    },
    async close() {
      await store[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    }
  }
})
