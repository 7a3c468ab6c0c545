import type { SessionId } from '../packages/curfew/src/core/ids.ts'
import { openSqliteStore } from '../packages/curfew/src/stores/sqlite/sqlite-store.ts'

/** A process that opens a large registry and reads one session. */
const [, , file = '', id = ''] = process.argv
await using store = await openSqliteStore({ file, capacity: 10_000_000 })
process.send?.((await store.getSession(id as SessionId)) !== undefined)
