import { z } from 'zod'

const path = z.string().min(1)

/** What stands in both: how servers are reached. */
const access = {
  topology: z
    .enum(['standalone', 'sentinel', 'cluster'])
    .default('standalone')
    .describe('One server, servers watched by Sentinel (state servers, sharing all nodes), or Redis Cluster (adaptive).'),
  nodes: z
    .array(z.string().regex(/^(rediss?:\/\/|unix:\/)/, 'write redis://host:port, rediss://host:port or unix:/path'))
    .min(1)
    .max(64)
    .describe('The server; all the sentinels, of which more than half have to answer; or some nodes of the cluster, of which one has to answer.'),
  master: z.string().min(1).max(64).default('curfew').describe('Name that the sentinels know the servers by.'),
  username: z.string().min(1).optional(),
  password: z.string().min(1).optional().describe('From the environment or a file: ${env:NAME}, ${file:path}.'),
  ca: path.optional().describe('Certificate authorities for rediss://, a PEM file. Default: those of the system.'),
  certificate: path.optional().describe('Certificate that this node shows, a PEM file.'),
  key: path.optional().describe('Its private key, a PEM file.'),
  prefix: z
    .string()
    .regex(/^[\w.-]{1,32}:$/, 'write letters, digits, dots or dashes and a colon at the end')
    .default('curfew:')
    .describe('What every key starts with.')
}

/** Servers by which gateways tell each other what ended. */
export const sharedEndingsSchema = z
  .strictObject({ ...access, copies: z.int().min(0).max(5).default(0).describe('Replicas that are waited for at each write, for a moment.') })
  .describe(
    'Servers of Redis 6.2 or Valkey 7.2 and newer by which gateways tell each other what ended at one of them. Default: store.redis, where the gateway runs inside curfew start.'
  )

/** How many buckets a store may have. */
const bucketChoices: ReadonlySet<number> = new Set([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024])

/** Less than a connection may be silent before it is given up. */
const copyWaitMsMax = 1_200

/** Servers of Redis or Valkey that several processes share. */
export const redisSchema = z
  .strictObject({
    ...access,
    buckets: z
      .int()
      .refine((n) => bucketChoices.has(n), 'write a power of two, from 1 to 1024')
      .default(64)
      .describe('Parts that the store is cut into; fixed with the first start. At least as many as primaries.'),
    copies: z
      .int()
      .min(0)
      .max(5)
      .optional()
      .describe('Replicas that have to confirm a write beside the primary (replication.factor - 1). Default: 2 with topology cluster, otherwise 1.'),
    copyWaitMs: z
      .int()
      .min(10)
      .max(copyWaitMsMax)
      .default(150)
      .describe('How long copies may take to confirm a write, in milliseconds. Copies that are far away, or write to disk first, need more.'),
    ack: z
      .enum(['degraded', 'strict', 'fsync'])
      .default('degraded')
      .describe(
        'With too few copies: go on and say so (degraded), or refuse sign-ins (strict). fsync: as strict, and the write has to be on the disk of the primary and of the copies (Redis 7.2). Signing out is never refused.'
      ),
    volatile: z
      .boolean()
      .default(false)
      .describe('true: servers that write nothing to disk (appendonly no) are taken. One that is restarted has forgotten everybody.'),
    auditLines: z.int().min(0).default(1_000_000).describe('Lines of the audit log that are kept; 0 keeps all. They are in the log as well.')
  })
  .describe('Servers of Redis 7.0 or Valkey 7.2 and newer, for several nodes.')

/** Nodes of a replica set when nothing else is said (`replication.factor`). */
const replicationFactorDefault = 3

/** Copies beside the primary that are asked for. */
export function copiesOf({ copies, topology }: Pick<z.output<typeof redisSchema>, 'copies' | 'topology'>): number {
  return copies ?? (topology === 'cluster' ? replicationFactorDefault - 1 : 1)
}
