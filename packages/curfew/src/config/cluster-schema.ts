import { z } from 'zod'
import { groupLetters } from '../core/group.ts'
import { hostPort, httpsWanted, isConfidential, path } from './values.ts'

const groupId = z
  .string()
  .regex(/^[A-Za-z0-9]{1,36}$/, 'write 1 to 36 letters and digits: no white space, no separators')
  .describe('Letters and digits, 1 to 36.')

const link = z
  .url({ protocol: /^https?$/, error: 'write an https address, such as https://login-1.berlin.example.com:9041' })
  .refine(isConfidential, { error: httpsWanted })
  .refine((text) => new URL(text).pathname === '/' && new URL(text).search === '', { error: 'write the address without a path' })

const group = z
  .strictObject({
    id: groupId,
    letter: z
      .string()
      .regex(/^[a-z0-9]$/, 'write one small letter or digit')
      .optional()
      .describe('Stands in every identifier made in the group and never changes. Default: by the place in the list, a first.'),
    links: z.array(link).max(64).default([]).describe('Where nodes of the group take calls of the others; the first that answers is used.')
  })
  .describe('A group of nodes with a store of its own.')

/** EndpointIndex of an artifact. */
const artifactIndex = z.int().min(0).max(65_535)

const replicate = z
  .strictObject({
    sessions: z
      .boolean()
      .optional()
      .describe('Sessions, participants and runs (inter.group.replicate.sessions). Default: on between regions; has no effect between subclusters.'),
    assertionReplay: z
      .boolean()
      .default(true)
      .describe(
        'Assertions that were used or that their logout overtook, shared signals that were received (inter.group.replicate.assertion.replay). Also between subclusters.'
      ),
    accountLocking: z
      .boolean()
      .optional()
      .describe('Failed sign-ins (inter.group.replicate.account.locking). Default: on between regions; has no effect between subclusters.'),
    referenceTokens: z
      .boolean()
      .optional()
      .describe('Access and refresh tokens, grants (inter.group.replicate.reference.tokens). Default: on between regions; has no effect between subclusters.'),
    transactions: z
      .boolean()
      .default(false)
      .describe('Sign-ins in progress, codes (inter.group.replicate.transaction.state). Has no effect between subclusters.'),
    fetchTransactions: z
      .boolean()
      .default(true)
      .describe('A sign-in that goes on in another region is fetched from where it began. Has no effect between subclusters.'),
    revocationDownloadSeconds: z
      .number()
      .min(0)
      .max(600)
      .default(10)
      .describe('How long the revocation list of the other groups may take to be read before this node serves (bulk.revoked.sris.timeout).'),
    takeOverSeconds: z
      .number()
      .min(0)
      .max(3_600)
      .default(10)
      .describe('How long the region of a session has to end it when a limit passes, before another region does. Longer than facts take on their way.'),
    keepHours: z
      .number()
      .min(0.01)
      .max(720)
      .default(24)
      .describe('How long facts are kept for a group that does not read them; then it reads everything once.'),
    keepFacts: z.int().min(1_000).default(1_000_000).describe('Facts that are kept for it at most, in each bucket of the store.'),
    backlogAlert: z.int().min(1).default(100_000).describe('With more unread facts than that an error is logged.')
  })
  .prefault({})
  .describe('What groups tell each other. Revocations go everywhere and have no switch.')

export const cluster = z
  .strictObject({
    node: z
      .string()
      .regex(/^\S{1,64}$/, 'write a name without white space')
      .optional()
      .describe('Name of this node; no two live nodes share one. Default: the host name and the first address it listens at.'),
    group: groupId.optional().describe('The group of nodes that share this store (node.group.id, preferred.node.group.id): letters and digits, 1 to 36.'),
    groups: z
      .array(group)
      .max(groupLetters.length)
      .default([])
      .describe('Every group of the authority, this one too; the same list everywhere. Empty: there is one store and no other group.'),
    mode: z
      .enum(['subclusters', 'regions'])
      .optional()
      .describe(
        'What groups share. subclusters: nothing but revocations, replay prevention, registered clients, account links and changes of passwords. regions: they replicate. Default: regions on a Redis Cluster, else subclusters.'
      ),
    listen: z.array(hostPort).default([]).describe('Where this node takes calls of other groups. Empty: it takes none.'),
    tls: z
      .strictObject({ key: path, certificate: path })
      .optional()
      .describe('Private key and certificate of cluster.listen, PEM files. Absent: it speaks http, for loopback or a proxy in front.'),
    ca: path.optional().describe('Certificate authorities of the links, a PEM file. Default: those of the system.'),
    secretFiles: z
      .array(path)
      .min(1)
      .max(4)
      .optional()
      .describe(
        'Files with at least 32 random bytes as base64 that prove calls between groups. The first proves, all are accepted: to roll one over, add the new one last, later put it first, remove the old one last. Default: sessions.secretFile.'
      ),
    index: artifactIndex
      .default(0)
      .describe('Index in the SAML artifacts that this node issues (pf.cluster.node.index). Every node resolves those of every other.'),
    indexes: z.array(artifactIndex).min(1).max(256).optional().describe('The indexes of all nodes; the metadata of each lists them. Default: its own.'),
    replicate,
    tags: z
      .array(z.string().regex(/^\S{1,64}$/, 'write tags without white space'))
      .max(16)
      .default([])
      .describe('Shown in the status (node.tags).')
  })
  .refine(({ index, indexes }) => indexes === undefined || indexes.includes(index), { path: ['indexes'], error: 'the index of this node is missing' })
  .refine(({ indexes = [] }) => new Set(indexes).size === indexes.length, { path: ['indexes'], error: 'an index stands twice' })
  .superRefine((it, context) => {
    const wrong = (at: readonly (string | number)[], message: string): void => context.addIssue({ code: 'custom', path: [...at], message })
    if (it.groups.length === 0) {
      if (it.listen.length > 0) wrong(['listen'], 'list the groups in cluster.groups, or leave it out: there is nobody to call')
      return
    }
    const ids = it.groups.map(({ id }) => id.toLowerCase())
    const letters = it.groups.map(letterAt)
    ids.forEach((id, i) => ids.indexOf(id) < i && wrong(['groups', i, 'id'], 'this id stands twice; ids that differ in case only count as one'))
    letters.forEach(
      (letter, i) => letters.indexOf(letter) < i && wrong(['groups', i, 'letter'], `the letter ${letter} belongs to two groups; give one of them another`)
    )
    if (it.group === undefined) wrong(['group'], 'say which of cluster.groups this node belongs to')
    else if (!it.groups.some(({ id }) => id === it.group)) wrong(['group'], 'name one of cluster.groups')
    if (it.groups.length > 1 && it.listen.length === 0) wrong(['listen'], 'say where this node takes calls of the other groups, such as 127.0.0.1:9041')
  })
  .prefault({})
  .describe('This process among others: those on the same store, and other groups.')

/** The letter of a group: its own choice, or that of its place. */
export function letterAt({ letter }: { readonly letter?: string | undefined }, place: number): string {
  return letter ?? groupLetters[place] ?? ''
}
