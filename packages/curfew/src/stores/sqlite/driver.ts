import * as sqlite from 'node:sqlite'

/** The one place that names the driver. The class is called `Database` or `DatabaseSync`, by version of Node. */
export type Database = sqlite.DatabaseSync

const DatabaseClass = (sqlite as unknown as { readonly Database?: typeof sqlite.DatabaseSync }).Database ?? sqlite.DatabaseSync

/** Opens a database file. `timeout`: how long a statement waits for a lock of another program, in milliseconds. */
export function openDatabase(file: string, options: { readonly readOnly?: boolean; readonly timeout: number }): Database {
  return new DatabaseClass(file, { ...options, enableForeignKeyConstraints: false })
}

export const copyDatabase = sqlite.backup

/** A value in a column as we use them. */
export type Column = string | number | null

/** A prepared statement whose rows have a type. */
export interface Query<Row> {
  get(...values: readonly Column[]): Row | undefined
  all(...values: readonly Column[]): readonly Row[]
  iterate(...values: readonly Column[]): Iterable<Row>
  /** Returns the number of rows that were changed. */
  run(...values: readonly Column[]): number
}

/** Prepares a statement. `Row` is what its result columns are; the schema is strict, so the types hold. */
export function prepare<Row>(db: Database, sql: string): Query<Row> {
  const statement = db.prepare(sql)
  return {
    get: (...values) => statement.get(...values) as Row | undefined,
    all: (...values) => statement.all(...values) as unknown as readonly Row[],
    iterate: (...values) => statement.iterate(...values) as unknown as Iterable<Row>,
    run: (...values) => Number(statement.run(...values).changes)
  }
}
