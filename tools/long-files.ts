/**
 * Integration tests that take longest, longest first: they start before all others, so that none of them is left running
 * alone at the end. What is missing here costs seconds, not correctness.
 */
export const longFiles: readonly string[] = [
  'packages/codecs/test/revocation/ten-million.it.ts',
  'packages/curfew/test/journeys/nodes.it.ts',
  'packages/curfew/test/gateway/journeys.it.ts',
  'packages/curfew/test/journeys/every-page.it.ts',
  'packages/curfew/test/journeys/regions.it.ts',
  'packages/curfew/test/cli/installation.it.ts',
  'packages/curfew/test/gateway/gateway.it.ts',
  'packages/curfew/test/journeys/accessibility.it.ts',
  'packages/curfew/test/stores/redis/redis-faults.it.ts',
  'packages/curfew/test/journeys/sign-out.it.ts',
  'packages/curfew/test/gateway/saml-application.it.ts',
  'packages/curfew/test/stores/redis/behind-lag.it.ts',
  'packages/curfew/test/cli/broken-disk.it.ts',
  'packages/curfew/test/stores/redis/sentinels.it.ts',
  'packages/curfew/test/cli/commands.it.ts',
  'packages/curfew/test/stores/store-model.it.ts',
  'tools/test/dist.it.ts',
  'packages/curfew/test/journeys/clean-up-page.it.ts',
  'packages/curfew/test/gateway/cookie-domain.it.ts',
  'packages/curfew/test/journeys/groups.it.ts',
  'packages/curfew/test/engine/crash-process.it.ts',
  'packages/curfew/test/attacks/gateway.it.ts',
  'packages/sdk/test/feed-away.it.ts',
  'packages/sdk/test/feed-held-back.it.ts',
  'packages/curfew/test/gateway/feed-held-back.it.ts',
  'packages/curfew/test/authority/sign-on/ldap-directory.it.ts',
  'packages/curfew/test/journeys/kill.it.ts',
  'packages/curfew/test/gateway/shared-endings.it.ts',
  'packages/curfew/test/cli/demo.it.ts',
  'packages/curfew/test/journeys/password-pages.it.ts',
  'packages/curfew/test/stores/redis/replica-sets.it.ts',
  'packages/curfew/test/gateway/live.it.ts',
  'packages/curfew/test/stores/sqlite-crash.it.ts',
  'packages/curfew/test/cluster/replication.it.ts',
  'packages/curfew/test/gateway/many-connections.it.ts',
  'packages/curfew/test/gateway/mutual-tls.it.ts',
  'packages/curfew/test/journeys/unfit.it.ts',
  'packages/curfew/test/gateway/forward-auth.it.ts',
  'packages/curfew/test/authority/shared-signals/crash.it.ts',
  'packages/curfew/test/stores/redis/redis-endings.it.ts',
  'packages/curfew/test/journeys/broker-graph.it.ts',
  'packages/curfew/test/journeys/keyboard.it.ts',
  'packages/curfew/test/cli/demo-device.it.ts',
  'packages/curfew/test/journeys/opentoken.it.ts'
]

/** The same files, the longest ones first. */
export function longestFirst(files: readonly string[]): readonly string[] {
  const place = (file: string): number => (longFiles.includes(file) ? longFiles.indexOf(file) : longFiles.length)
  return files.toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
}
