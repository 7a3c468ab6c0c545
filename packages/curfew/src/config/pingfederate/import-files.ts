import { importCluster } from './import-cluster.ts'
import { importSessions } from './import-sessions.ts'
import { type Imported, merged, type ShippedFile } from './imported.ts'

/**
 * Turns files of the replaced product into settings: those of one node, and answers of its admin API or a bulk export.
 * @throws CURFEW_IMPORT_JSON, CURFEW_IMPORT_REFUSED
 */
export function importFiles(files: readonly ShippedFile[]): Imported {
  const cluster = importCluster(files.filter((file) => !isJson(file)))
  const sessions = importSessions(files.filter(isJson))
  return { settings: merged(cluster.settings, sessions.settings), lines: [...cluster.lines, ...sessions.lines] }
}

/** By its name, or by how it begins. */
export function isJson({ name, text }: Pick<ShippedFile, 'name' | 'text'>): boolean {
  return /\.json$/i.test(name) || /^\uFEFF?\s*[[{]/.test(text)
}
