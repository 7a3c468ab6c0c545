import { z } from 'zod'
import { redisSchema } from './redis-schema.ts'
import { path, positive } from './values.ts'

export const store = z
  .strictObject({
    kind: z
      .enum(['sqlite', 'redis', 'memory'])
      .default('sqlite')
      .describe('sqlite: one node. redis: many. memory keeps nothing over a restart and is for tests.'),
    file: path.default('data/curfew.db').describe('Database file of the embedded store.'),
    capacity: positive.default(1_000_000).describe('Most live sessions; beyond it sign-ins are refused and nothing is dropped.'),
    redis: redisSchema.optional()
  })
  .refine((it) => (it.kind === 'redis') === (it.redis !== undefined), { path: ['redis'], error: 'store.redis belongs to kind: redis, and is needed there' })
  .prefault({})
  .describe('Where sessions, runs and deliveries are kept.')
