import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** One registration under `/ext`. */
export interface ExtPath {
  /** What follows `/ext`; begins with a slash. */
  readonly path: string
  /** Who registers it, for the administrator. */
  readonly owner: string
  readonly methods: readonly ('GET' | 'POST')[]
  handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

/** Paths that parts of the replaced product hold; applications know them, so that nobody else may have them. */
const reserved: ReadonlySet<string> = new Set([
  '/pickup',
  '/dropoff',
  '/ref/pickup',
  '/ref/dropoff',
  '/pwdchange/Identify',
  '/pwdreset/Identify',
  '/idrecovery/Recover'
])

/** A registration of a part of this server itself, which may hold a reserved path. */
export interface OwnExtPath extends ExtPath {
  readonly isOwn: true
}

/**
 * Looks at all registrations before the server starts: one path has one owner (AC-157).
 * @throws CURFEW_CONFIG_EXT_PATH when a path does not begin with a slash, is held by another, or stands twice
 */
export function checkExtPaths(list: readonly (ExtPath | OwnExtPath)[]): readonly ExtPath[] {
  const owners = new Map<string, string>()
  for (const entry of list) {
    const { path, owner } = entry
    if (!/^(\/[\w-]+)+$/.test(path)) throw new CurfewError('CURFEW_CONFIG_EXT_PATH', { path, owner, why: 'it has to begin with a slash and hold plain names' })
    if (reserved.has(path) && !('isOwn' in entry)) throw new CurfewError('CURFEW_CONFIG_EXT_PATH', { path, owner, why: 'another adapter holds it' })
    const former = owners.get(path)
    if (former !== undefined) throw new CurfewError('CURFEW_CONFIG_EXT_PATH', { path, owner, why: `${former} has registered it` })
    owners.set(path, owner)
  }
  return list
}
