import type { AdminCluster, AdminContext } from '../../src/admin/context.ts'

/** A node that shares its store with nobody. */
export const alone: AdminCluster = {
  self: 'one',
  mode: 'single',
  nodes: async () => [{ id: 'one', address: '127.0.0.1:9031', version: '0', tags: [], startedAtMs: 0, isLive: true }],
  format: () => undefined,
  drain: async () => 'last',
  whereIs: async () => undefined,
  groups: { self: { id: 'sole', letter: 'a' }, mode: 'shared', others: () => [], forget: async () => false }
}

/** Nobody is sent shared signals, and nobody asks for settings. */
export const noStreams: Pick<AdminContext, 'streams' | 'setStreamStatus' | 'verifyStream' | 'settings'> = {
  settings: { startedAtMs: 0, items: [] },
  streams: async () => [],
  setStreamStatus: async () => undefined,
  verifyStream: async () => false
}
