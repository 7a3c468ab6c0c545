import { z } from 'zod'

export const cluster = z
  .strictObject({
    node: z
      .string()
      .regex(/^\S{1,64}$/, 'write a name without white space')
      .optional()
      .describe('Name of this node; no two live nodes share one. Default: the host name and the first address it listens at.'),
    group: z
      .string()
      .regex(/^\S{1,64}$/, 'write a name without white space')
      .optional()
      .describe('The group of nodes that share the store (node.group.id).'),
    tags: z
      .array(z.string().regex(/^\S{1,64}$/, 'write tags without white space'))
      .max(16)
      .default([])
      .describe('Shown in the status (node.tags).')
  })
  .prefault({})
  .describe('This process among others on the same store.')
