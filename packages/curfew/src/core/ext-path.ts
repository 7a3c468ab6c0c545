/** Paths under `/ext` that parts of the replaced product hold; applications know them, so that nobody else may have them. */
const reserved: ReadonlySet<string> = new Set([
  '/pickup',
  '/dropoff',
  '/ref/pickup',
  '/ref/dropoff',
  '/pwdchange/Identify',
  '/pwdreset/Identify',
  '/idrecovery/Recover'
])

/** One registration, by what follows `/ext`. */
export interface ExtRegistration {
  readonly path: string
  /** Who registers it, for the administrator. */
  readonly owner: string
  /** A part of this server itself, which may hold a reserved path. */
  readonly isOwn?: true
}

/** Why a registration can't be taken, given the owners of those before it; undefined: it can (AC-157). */
export function extPathProblem({ path, isOwn }: ExtRegistration, owners: ReadonlyMap<string, string>): string | undefined {
  if (!/^(\/[\w-]+)+$/.test(path)) return 'it has to begin with a slash and hold plain names'
  if (reserved.has(path) && isOwn !== true) return 'another adapter holds it'
  const former = owners.get(path)
  return former === undefined ? undefined : `${former} has registered it`
}
