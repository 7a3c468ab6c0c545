import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import { groupOf } from '../core/group.ts'
import type { SessionId } from '../core/ids.ts'
import type { AdminContext, AdminGroups } from './context.ts'
import { clusterView, placeView, sessionIdSchema } from './schemas.ts'
import type { AdminServer } from './server.ts'

export function registerCluster(app: AdminServer, ctx: AdminContext): void {
  const { cluster, store } = ctx
  app.get('/v1/cluster', { schema: { response: { 200: clusterView } } }, async () => {
    const { kind, location, durability } = await store.describe()
    const { groups } = cluster
    const format = cluster.format()
    return {
      mode: cluster.mode,
      self: cluster.self,
      store: { kind, location, durability, ...(format === undefined ? {} : { format }) },
      nodes: await cluster.nodes(),
      groups: { mode: groups.mode, self: groups.self, others: [...groups.others()] }
    }
  })

  app.post(
    '/v1/cluster/groups/:group/forget',
    { schema: { params: z.object({ group: z.string().max(36) }), response: { 200: z.object({ forgotten: z.boolean() }) } } },
    async (request) => ({ forgotten: await cluster.groups.forget(request.params.group) })
  )

  for (const [verb, isAsked] of [
    ['drain', true],
    ['undrain', false]
  ] as const) {
    app.post(
      `/v1/cluster/nodes/:node/${verb}`,
      { schema: { params: z.object({ node: z.string().max(200) }), response: { 200: z.object({ node: z.string(), asked: z.enum(['drain', 'undrain']) }) } } },
      async (request) => {
        const { node } = request.params
        const word = await cluster.drain(node, isAsked)
        if (word === 'unknown') throw new CurfewError('CURFEW_API_NOT_FOUND')
        if (word === 'older') throw new CurfewError('CURFEW_CLUSTER_MIXED_VERSIONS', { node })
        if (word === 'last') throw new CurfewError('CURFEW_CLUSTER_LAST_NODE', { node })
        ctx.logger.info({ event: `cluster.${verb}`, node }, isAsked ? 'A node was asked to stop taking work' : 'A node was asked to take work again')
        return { node, asked: verb }
      }
    )
  }

  app.get('/v1/cluster/owner/:session', { schema: { params: z.object({ session: sessionIdSchema }), response: { 200: placeView } } }, async (request) => {
    const { session } = request.params
    if ((await store.getSession(session)) === undefined) throw new CurfewError('CURFEW_API_NOT_FOUND')
    const group = elsewhere(cluster.groups, session)
    if (group !== undefined) return { session, group }
    const place = await cluster.whereIs(session)
    const { location } = await store.describe()
    return { session, ...(place ?? { bucket: 0, slot: 0, primary: location, copies: [] }) }
  })
}

/** The subcluster that has a session to itself, where it is another one; a region has the sessions of all. */
function elsewhere(groups: AdminGroups, session: SessionId): string | undefined {
  return groups.mode === 'subclusters' ? groups.others().find(({ letter }) => letter === groupOf(session))?.group : undefined
}
