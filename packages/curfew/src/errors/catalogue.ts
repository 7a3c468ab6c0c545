import type { CatalogueEntry } from '@curfew/codecs'

/** Every error of the product that is not an error of reading messages (those: `codecCatalogue`). Sorted by code. */
export const catalogue = {
  CURFEW_STORE_BACKUP_EXISTS: { kind: 'config', http: 409, title: 'The backup was not written because the file exists.' },
  CURFEW_STORE_BUSY: { kind: 'operation', http: 503, title: 'Another program holds the database longer than Curfew waits.' },
  CURFEW_STORE_CLOSED: { kind: 'programmer', http: 503, title: 'The store is closed.' },
  CURFEW_STORE_CURSOR: { kind: 'peer', http: 400, title: 'The cursor of the list is not one that was handed out.' },
  CURFEW_STORE_DAMAGED: { kind: 'operation', http: 503, title: 'The database file is damaged or not a database.' },
  CURFEW_STORE_DISK_FULL: { kind: 'operation', http: 503, title: 'The disk is full: no new sign-in is taken, signing out works.' },
  CURFEW_STORE_FAILED: { kind: 'operation', http: 503, title: 'The store could not carry out the call.' },
  CURFEW_STORE_LOCKED: { kind: 'config', http: 503, title: 'Another process owns the database.' },
  CURFEW_STORE_NETWORK_DISK: { kind: 'config', http: 503, title: 'The database lies on a network file system.' },
  CURFEW_STORE_OPEN: { kind: 'config', http: 503, title: 'The database file can not be opened.' },
  CURFEW_STORE_READ_ONLY: { kind: 'config', http: 503, title: 'The database file can not be written.' },
  CURFEW_STORE_RUN_EXISTS: { kind: 'programmer', http: 500, title: 'The identifier of the run belongs to another run.' },
  CURFEW_STORE_SCHEMA_NEWER: { kind: 'config', http: 503, title: 'The database was written by a newer version of Curfew.' },
  CURFEW_STORE_SQLITE_VERSION: { kind: 'config', http: 503, title: 'This version of SQLite can lose acknowledged writes.' }
} as const satisfies Record<`CURFEW_${string}`, CatalogueEntry>

export type ProductCode = keyof typeof catalogue
