import { CurfewError } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { Peer } from '../../core/peer.ts'
import type { ApplicationAdapter, LoginAdapter, OpenTokenAdapter } from './adapter.ts'

/** The OpenToken adapter instances of this authority. */
export interface Adapters {
  byId(id: PeerId): OpenTokenAdapter | undefined
  peer(id: PeerId): Peer | undefined
  /** In configured order, as all lists here. */
  applications(): readonly ApplicationAdapter[]
  logins(): readonly LoginAdapter[]
  all(): readonly OpenTokenAdapter[]
}

/** @throws CURFEW_CONFIG_CONNECTION when an id stands twice, or a token name of two adapters is the same in one cookie */
export function fixedAdapters(list: readonly OpenTokenAdapter[]): Adapters {
  const ids = new Map(list.map((adapter) => [adapter.id, adapter]))
  const cookies = list.filter(({ transport }) => transport === 'cookie')
  const names = new Map(cookies.map((adapter) => [adapter.tokenName, adapter]))
  const twice = list.find((adapter) => ids.get(adapter.id) !== adapter) ?? cookies.find((adapter) => names.get(adapter.tokenName) !== adapter)
  if (twice !== undefined)
    throw new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: twice.id, reason: 'its id or the name of its cookie belongs to another adapter' })
  return {
    byId: (id) => ids.get(id),
    peer: (id) => ids.get(id)?.peer,
    applications: () => list.filter((adapter) => adapter.role === 'sp'),
    logins: () => list.filter((adapter) => adapter.role === 'idp'),
    all: () => list
  }
}
