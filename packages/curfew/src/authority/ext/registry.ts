import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { extPathProblem, type ExtRegistration } from '../../core/ext-path.ts'

/** One registration under `/ext` with what answers there. */
export interface ExtPath extends ExtRegistration {
  readonly methods: readonly ('GET' | 'POST')[]
  handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

/**
 * Looks at all registrations before the server starts: one path has one owner (AC-157).
 * @throws CURFEW_CONFIG_EXT_PATH when a path does not begin with a slash, is held by another, or stands twice
 */
export function checkExtPaths(list: readonly ExtPath[]): readonly ExtPath[] {
  const owners = new Map<string, string>()
  for (const entry of list) {
    const { path, owner } = entry
    const why = extPathProblem(entry, owners)
    if (why !== undefined) throw new CurfewError('CURFEW_CONFIG_EXT_PATH', { path, owner, why })
    owners.set(path, owner)
  }
  return list
}
