import { globalFields, settingsFields } from './session-fields.ts'
import { flag, groupIdOf, type ShippedKey, whole, words } from './shipped-key.ts'

type Keys = Readonly<Record<string, ShippedKey>>

const noCalls = 'nodes do not call each other: state is in the store, and a server that does not answer for 1.5 seconds is given up'
const rpc: Keys = {
  'rpc.timeout': { note: noCalls },
  'synchronous.retrieve.majority.only': {
    note: 'reads ask the one primary of a part; how many replicas confirm a write says store.redis.copies, and what happens with fewer store.redis.ack'
  }
}
const preferred: Keys = {
  'preferred.node.indices': {
    clustering: 'directed',
    note: 'no node holds state for others: the servers of store.redis take the place of the nodes that are listed; nodes that listed different ones become cluster.groups with a store each'
  }
}
const shared: Keys = { ...rpc, ...preferred }

const cluster: Keys = {
  'pf.operational.mode': { note: 'every node is an engine and has the admin API; CLUSTERED_ENGINE needs store.kind: redis, STANDALONE the embedded store' },
  'pf.cluster.node.index': {
    setting: 'cluster.index',
    read: whole(0, 65_535),
    note: 'stands in SAML artifacts only; list those of all nodes in cluster.indexes. Nodes are told apart by cluster.node'
  },
  'pf.cluster.auth.pwd': {
    setting: 'store.redis.password',
    isSecret: true,
    note: 'whoever may use the store is a node: give it an account of its own. Not taken over, because it is shared with the replaced nodes'
  },
  'pf.cluster.encrypt': { note: 'write rediss:// addresses in store.redis.nodes, and cluster.tls for links between groups' },
  'pf.cluster.encryption.keysize': { note: 'TLS chooses; AES with 128 bits at least' },
  'pf.cluster.bind.address': { note: 'nodes of one group do not listen to each other; links between groups listen at cluster.listen' },
  'pf.cluster.bind.port': { note: 'nodes of one group do not listen to each other; links between groups listen at cluster.listen' },
  'pf.cluster.failure.detection.bind.port': { note: 'a node that does not renew its name in the store for six seconds is gone' },
  'pf.cluster.transport.protocol': { note: 'nodes speak to the store over TCP' },
  'pf.cluster.mcast.group.address': { note: 'nothing is discovered by multicast: nodes find each other in the store' },
  'pf.cluster.mcast.group.port': { note: 'nothing is discovered by multicast: nodes find each other in the store' },
  'pf.cluster.tcp.discovery.initial.hosts': {
    setting: 'store.redis.nodes',
    note: 'those are nodes of the replaced product; write the servers of the store: nodes find each other there'
  },
  'pf.cluster.adaptive': { setting: 'store.redis.topology', note: 'true: cluster. false: sentinel, or standalone' },
  'pf.cluster.diagnostics.enabled': { note: 'curfew cluster status and the metrics show the nodes' },
  'pf.cluster.diagnostics.addr': { note: 'curfew cluster status and the metrics show the nodes' },
  'pf.cluster.diagnostics.port': { note: 'curfew cluster status and the metrics show the nodes' },
  'node.tags': { setting: 'cluster.tags', read: words, note: 'shown in the status; nothing is decided by them' },
  'pf.heartbeat.system.monitoring': { setting: 'server.heartbeatMonitoring', read: flag, note: 'the same' }
}

const adaptive: Keys = {
  'replication.factor': { setting: 'store.redis.copies', read: whole(0, 5, { by: -1 }), note: 'the primary and so many replicas; checked at the start' },
  'track.state': { note: 'no node holds state: the servers of the store do' },
  'rebalance.rpc.timeout': { note: 'Redis Cluster moves slots itself; nodes follow' },
  'node.group.id': { setting: 'cluster.group', read: groupIdOf, note: 'letters and digits only; list every region in cluster.groups' },
  'inter.group.replicate.sessions': { setting: 'cluster.replicate.sessions', read: flag, note: 'the same' },
  'inter.group.replicate.reference.tokens': {
    setting: 'cluster.replicate.referenceTokens',
    read: flag,
    note: 'the same, with refresh tokens and registered clients'
  },
  'inter.group.replicate.reference.tokens.synchronous': {
    note: 'a token is not kept back until other regions have it: it is known there one way of the link later'
  },
  'inter.group.replicate.assertion.replay': { setting: 'cluster.replicate.assertionReplay', read: flag, note: 'the same' },
  'inter.group.replicate.account.locking': { setting: 'cluster.replicate.accountLocking', read: flag, note: 'the same' },
  'inter.group.replicate.transaction.state': {
    setting: 'cluster.replicate.transactions',
    read: flag,
    note: 'the same; with false a sign-in that changes region is fetched (cluster.replicate.fetchTransactions)'
  }
}

const noEviction =
  'nothing is dropped to make room: beyond store.capacity sign-ins are refused. Not taken over, because there it bounded the memory of one process'
const inFull = 'there is no limit of entries: nothing is dropped to make room'
const sizes: Keys = {
  'IdpSessionRegistryMapImpl.max.sessions': { setting: 'store.capacity', note: noEviction },
  'IdpSessionRegistryMapImpl.max.individual.sessions': { note: inFull },
  'IdpSessionRegistryMapImpl.max.partner.sessions': { note: inFull },
  'IdpSessionRegistryMapImpl.max.user.keys': { note: inFull },
  'IdpSessionRegistryMapImpl.max.user.key.sris': {
    setting: 'sessions.perUserMax',
    read: whole(1, 1_000_000_000),
    note: 'the oldest session ends by a logout of its own, its applications are told'
  },
  'IdpSessionRegistryMapImpl.expiry.mins': {
    setting: 'sessions.registryMinutes',
    read: whole(1, 5_256_000),
    note: 'one time for both registries: the longer one counts'
  },
  'SpSessionRegistryMapImpl.max.sessions': { setting: 'store.capacity', note: noEviction },
  'SpSessionRegistryMapImpl.max.individual.sessions': { note: inFull },
  'SpSessionRegistryMapImpl.expiry.mins': {
    setting: 'sessions.registryMinutes',
    read: whole(1, 5_256_000),
    note: 'one time for both registries: the longer one counts'
  },
  'InterReqStateMgmtMapImpl.max.size.state.map': { note: inFull },
  'InterReqStateMgmtMapImpl.expiry.mins.state.map': { setting: 'sessions.transactionMinutes', read: whole(1, 1_440), note: 'the same' },
  'InterReqStateMgmtMapImpl.max.size.attr.map': { note: inFull },
  'InterReqStateMgmtMapImpl.expiry.mins.attr.map': {
    setting: 'sessions.attributeMinutes',
    read: whole(1, 5_256_000),
    note: 'counts from the end of the session; while it lives its attributes do'
  },
  'InterReqStateMgmtMapImpl.max.session.attrs': { note: inFull },
  'SessionRevocationServiceMapImpl.max.revoked.sris': { note: 'every revoked session stays on the list for sessions.revocationMinutes' },
  'MetadataDirectory.max.size.idp.conn.map': { note: 'connections are read once and stay' },
  'MetadataDirectory.max.size.sp.conn.map': { note: 'connections are read once and stay' },
  'ClientManagerXmlFileImpl.max.size.clients.map': { note: 'clients are read once and stay' }
}

const noConsole = 'there is no console that hands out a configuration: every node reads its own curfew.yaml'
const consoles: Keys = {
  enabled: { note: noConsole },
  'passive.node.data.sync.interval.secs': { note: noConsole },
  'rpc.synchronization.data.timeout.milliseconds': { note: noConsole },
  'passive.node.configuration.reload.interval.secs': { note: noConsole },
  'active.node.last.successful.sync.warning': { note: noConsole },
  'publish.replication.data.on.startup': { note: noConsole },
  'require.replication.data.on.startup': { note: noConsole },
  'rpc.replication.status.timeout': { note: noConsole },
  'rpc.replication.data.timeout': { note: noConsole },
  'replication.data.retries': { note: noConsole },
  'replication.poll.interval': { note: noConsole }
}

/** Every documented key of the files that make a cluster of the replaced product, by file. */
export const shippedFiles: ReadonlyMap<string, ReadonlyMap<string, ShippedKey>> = byName({
  'run.properties': cluster,
  'cluster-adaptive.conf': Object.fromEntries(Object.entries(adaptive).map(([key, one]) => [key, { ...one, clustering: 'adaptive' as const }])),
  'cluster-inter-request-state.conf': shared,
  'cluster-idp-session-registry.conf': {
    ...shared,
    'preferred.node.group.id': {
      setting: 'cluster.group',
      read: groupIdOf,
      clustering: 'directed',
      note: 'letters and digits only; list every subcluster in cluster.groups'
    }
  },
  'cluster-sp-session-registry.conf': shared,
  'cluster-assertion-replay-prevention.conf': shared,
  'cluster-account-locking.conf': shared,
  'cluster-artifact.conf': { 'rpc.timeout': { note: noCalls } },
  'cluster-session-revocation.conf': {
    ...rpc,
    'read.local.only': { note: 'reads are local: every node has the whole list' },
    'bulk.revoked.sris.timeout': {
      setting: 'cluster.replicate.revocationDownloadSeconds',
      read: whole(0, 600, { divisor: 1_000 }),
      note: 'the list of other groups; nodes of one group share theirs'
    }
  },
  'cluster-config-replication.conf': consoles,
  'size-limits.conf': sizes
})

function byName(files: Readonly<Record<string, Keys>>): ReadonlyMap<string, ReadonlyMap<string, ShippedKey>> {
  return new Map(Object.entries(files).map(([file, keys]) => [file, new Map(Object.entries(keys))]))
}

const answers = byName({ '/session/authenticationSessionPolicies/global': globalFields, '/session/settings': settingsFields })

/** A documented key, whichever file or answer it belongs to: for somebody who writes it into `curfew.yaml`. */
export function shippedKey(name: string): (ShippedKey & { readonly file: string }) | undefined {
  for (const [file, keys] of [...shippedFiles, ...answers]) {
    const found = keys.get(name)
    if (found !== undefined) return { ...found, file }
  }
  return undefined
}
