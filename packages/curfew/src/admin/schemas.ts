import { z } from 'zod'

/** Shapes of the admin API: validation, answers, OpenAPI and the client of the command line come from here. */
const atMs = z.int().min(0).describe('Milliseconds since 1970-01-01T00:00:00Z')
export const sessionIdSchema = z.templateLiteral(['ses_', z.string()])
export const runIdSchema = z.templateLiteral(['run_', z.string()])
export const deliveryIdSchema = z.templateLiteral(['dlv_', z.string()])
const reason = z.string().describe('Why the session ended, such as user, admin, idle-timeout')

export const participantView = z.object({
  peer: z.string(),
  name: z.string(),
  nameId: z.string().describe('Shortened'),
  format: z.string().optional(),
  grant: z.literal('offline').optional().describe('A grant that outlives the session, beside the application itself'),
  addedAtMs: atMs
})

export const sessionView = z.object({
  id: sessionIdSchema,
  user: z.string(),
  source: z.string(),
  state: z.enum(['live', 'expired', 'ended']),
  createdAtMs: atMs,
  lastActivityAtMs: atMs,
  idleExpiresAtMs: atMs,
  expiresAtMs: atMs,
  address: z.string().optional(),
  userAgent: z.string().optional(),
  applications: z.array(z.string()),
  end: z.object({ atMs, reason, by: z.string(), run: runIdSchema }).optional()
})

export const resetView = z.object({
  user: z.string(),
  url: z.string().describe('Good for one reset; whoever has it chooses the password'),
  untilMs: atMs
})

export const accountLinkView = z.object({
  id: z.string(),
  provider: z.string().describe('The identity provider, or the application'),
  role: z.enum(['upstream', 'application']),
  providerUser: z.string().describe('What the identity provider called the person when the link was made; the account at the application'),
  user: z.string(),
  linkedAtMs: atMs
})

export const sessionDetail = sessionView.extend({ participants: z.array(participantView) })

export const attemptView = z.object({
  number: z.int(),
  channel: z.string().describe('server/soap, frame/redirect, hop/post ...'),
  url: z.string(),
  messageId: z.string(),
  startedAtMs: atMs,
  endedAtMs: atMs.optional(),
  code: z.string().optional()
})

export const deliveryView = z.object({
  id: deliveryIdSchema,
  peer: z.string(),
  name: z.string(),
  grant: z.literal('offline').optional().describe('About an offline grant, not about the session of the application'),
  state: z.enum(['pending', 'sent', 'waiting-for-browser', 'retrying', 'final']),
  outcome: z.string().optional(),
  code: z.string().optional(),
  proof: z.string().optional(),
  statusCode: z.string().optional(),
  channels: z.array(z.string()),
  attempts: z.array(attemptView),
  attemptsMax: z.int(),
  nextAttemptAtMs: atMs.optional(),
  finalAtMs: atMs.optional(),
  retryOf: deliveryIdSchema.optional()
})

export const runView = z.object({
  id: runIdSchema,
  version: z.int(),
  session: sessionIdSchema,
  user: z.string(),
  reason,
  startedBy: z.string(),
  starter: z.string().describe('participant:<peer>, user or none'),
  ignoredLandings: z.array(z.string()).optional().describe('Landing parameters that were not followed, and why'),
  state: z.enum(['open', 'done']),
  verdict: z.enum(['working', 'all-ended', 'partial']),
  isPartialLogout: z.boolean().optional().describe('Only some applications were to be signed out; the session goes on'),
  startedAtMs: atMs,
  finishedAtMs: atMs.optional(),
  deadlineAtMs: atMs,
  hasReceipt: z.boolean(),
  deliveries: z.array(deliveryView)
})

/** Most sessions of each group that one call ends; the rest is left for the next call. */
export const endedPerCallMax = 1_000

const unreached = z.array(z.string()).optional().describe('Groups that could not be asked: their sessions go on')

export const endedView = z.object({
  ended: z.array(
    z.object({
      session: sessionIdSchema,
      run: runIdSchema,
      degraded: z.literal(true).optional().describe('Fewer copies have the end than the store is set up to ask for; it is sent again until they have')
    })
  ),
  already: z.array(z.object({ session: sessionIdSchema, run: runIdSchema })),
  unknown: z.array(sessionIdSchema),
  more: z.literal(true).optional().describe('There may be more sessions than one call ends: call again'),
  unreached
})

/** What a logout would do, without doing it. */
export const dryRunView = z.object({
  atMs,
  sessions: z.int(),
  users: z.int().describe('A user with sessions in several groups counts once in each'),
  applications: z.record(z.string(), z.int()).describe('Sessions that each application takes part in'),
  unreached
})

export const logoutRequest = z
  .strictObject({
    user: z.string().min(1).max(256).optional().describe('User name, such as ana'),
    userKeys: z
      .array(z.string().min(1).max(512))
      .min(1)
      .max(2)
      .optional()
      .describe('Only sessions of these: an identity provider may call somebody else the same'),
    all: z.boolean().optional().describe('Every live session'),
    app: z.string().optional().describe('Only sessions that this application takes part in'),
    idp: z.string().optional().describe('Only sessions of those who signed in there: an identity provider, or the form'),
    reason: z.string().max(200).optional().describe('Note for the audit log'),
    endOfflineGrants: z.boolean().optional().describe('Offline grants end, too; else those survive whose clients say nothing else'),
    beforeMs: atMs.optional().describe('Only sessions that were opened before; new sign-ins go on'),
    max: z.int().min(1).max(endedPerCallMax).optional().describe(`Sessions of each group that this call ends; ${endedPerCallMax} where it is not said`),
    dryRun: z.boolean().optional()
  })
  .refine((body) => (body.user === undefined) !== (body.all !== true), { error: 'give either user or all' })

export const peerView = z.object({
  id: z.string(),
  name: z.string(),
  protocol: z.string(),
  entityId: z.string(),
  channels: z.array(z.object({ kind: z.string(), binding: z.string(), url: z.string() })),
  mayBeAsked: z.boolean(),
  certificates: z.array(z.object({ fingerprint: z.string(), notAfterMs: atMs.optional() })),
  metadata: z
    .object({
      readAtMs: atMs.optional().describe('When it was read last with success'),
      validUntilMs: atMs.optional(),
      problem: z.object({ atMs, code: z.string(), why: z.string() }).optional().describe('Why the last reading failed'),
      changes: z
        .array(z.object({ atMs, what: z.string(), change: z.enum(['added', 'removed']), value: z.string(), breaks: z.boolean() }))
        .describe('What differed from the reading before, newest first')
    })
    .optional()
    .describe('Of a SAML partner that is read from metadata')
})

export const auditView = z.object({
  id: z.int(),
  atMs,
  event: z.string(),
  actor: z.string(),
  user: z.string().optional(),
  session: sessionIdSchema.optional(),
  run: runIdSchema.optional(),
  peer: z.string().optional(),
  code: z.string().optional(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional()
})

/** Where a reader of events stands: number and time of the last line of the audit log that it was told. */
export const eventPosition = z.string().regex(/^\d{1,16}-\d{1,16}$/)

export const eventView = z.object({
  id: z.string().describe('Of its own: an event that is told again after a reconnection has the same'),
  position: eventPosition.describe('Ask with after=<position> to go on behind it'),
  atMs,
  event: z.string().describe('As in the audit log (session.opened, session.ended, delivery.final ...), and attempt.sent, attempt.failed, delivery.waiting'),
  actor: z.string().optional(),
  user: z.string().optional().describe('User name where it is known, else the user key'),
  session: sessionIdSchema.optional(),
  run: runIdSchema.optional(),
  peer: z.string().optional(),
  outcome: z.string().optional(),
  code: z.string().optional(),
  channel: z.string().optional().describe('server/soap, frame/redirect, hop/post ...'),
  tookMs: z.int().optional().describe('From the message to what came of it'),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional()
})

/** Said in the place of events that can not be told any more. */
export const eventGap = z.object({
  position: eventPosition,
  atMs,
  why: z.enum(['trimmed', 'store-went-back']).describe('Lines are not kept any more; or the store lost its last lines, and some may come twice or never')
})

export const configView = z.object({
  startedAtMs: atMs.describe('When this process read its configuration'),
  items: z.array(
    z.object({
      path: z.string().describe('sessions.idleMinutes, connections[payroll].name'),
      value: z
        .union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.never()), z.record(z.string(), z.never())])
        .describe('Secrets, and what came out of the environment or a file, are named and not told')
    })
  )
})

const processStatus = z.enum(['ok', 'starting', 'draining', 'stopping'])

export const healthView = z.object({
  status: processStatus,
  /** Of a node that is several processes; the status is that of the one that is worst off. */
  workers: z.array(z.object({ worker: z.int(), pid: z.int(), status: processStatus })).optional(),
  version: z.string(),
  baseUrl: z.string(),
  signingKeys: z.array(z.string()).optional().describe('Fingerprints of the SAML signing keys in the metadata that this process publishes'),
  store: z.object({
    kind: z.string(),
    location: z.string(),
    durability: z.string(),
    liveSessions: z.int(),
    openRuns: z.int(),
    pendingEffects: z.int(),
    clockAheadMs: z.int().optional().describe('How far the clock of this node is ahead of the time of a store that several share; negative: behind'),
    sweptEntries: z.int().optional().describe('Look-up entries that led nowhere and were dropped by this node, of a store that several share')
  })
})

export const streamView = z.object({
  id: z.string(),
  connection: z.string(),
  status: z.enum(['enabled', 'paused', 'disabled']),
  reason: z.string().optional().describe('Why it has this status'),
  delivery: z.enum(['push', 'poll']),
  url: z.string().optional(),
  owed: z.int().describe('Signals that the receiver has not taken yet'),
  isFull: z.boolean().describe('The next signals are lost'),
  accepted: z.int(),
  refused: z.int(),
  lost: z.int(),
  lastError: z.object({ code: z.string(), atMs }).optional(),
  failures: z.int().optional().describe('Pushes that failed in a row'),
  failingSinceMs: atMs.optional()
})

export const registeredClientView = z.object({
  id: z.string().describe('Its client_id'),
  name: z.string().optional(),
  redirectUris: z.array(z.string()),
  authentication: z.string(),
  logoutUris: z.array(z.string()),
  registeredAtMs: atMs,
  registeredWith: z.string().describe('Name of the initial access token, or open')
})

const fieldProblem = z.object({ path: z.string(), message: z.string(), expected: z.string().optional(), got: z.string().optional() })

export const problemView = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  instance: z.string(),
  remediation: z.string().optional(),
  run: z.string().optional(),
  message: z.string().optional(),
  errors: z.array(fieldProblem).optional()
})

const time = z.string().describe('ISO 8601, UTC')

/** What a receipt says, once its signature was checked (engine/receipt.ts makes it). */
export const receiptView = z.strictObject({
  iss: z.string().describe('The authority that signed it'),
  jti: z.string().describe('Run and version; of several receipts of a run the last one counts'),
  iat: z.int(),
  run: runIdSchema,
  session: sessionIdSchema,
  sri: z.string(),
  user: z.string(),
  reason,
  startedBy: z.object({ kind: z.enum(['user', 'peer', 'admin', 'system']), id: z.string() }),
  startedAt: time,
  finishedAt: time.nullable(),
  verdict: z.enum(['working', 'all-ended', 'partial']),
  partial: z.literal(true).optional().describe('Only some applications were to be signed out; the session went on'),
  participants: z.array(
    z.strictObject({
      delivery: deliveryIdSchema,
      peer: z.string(),
      name: z.string(),
      grant: z.literal('offline').optional(),
      channel: z.string().nullable().describe('Of the last attempt, such as server/soap; null: nothing was sent'),
      attempts: z.int(),
      firstSentAt: time.nullable(),
      at: time.nullable(),
      outcome: z
        .object({
          kind: z.enum(['ended', 'already-ended', 'unconfirmed', 'refused', 'unreachable', 'timed-out', 'unsupported', 'not-asked']),
          code: z.string().optional(),
          statusCode: z.string().optional(),
          attempts: z.int().optional(),
          proof: z
            .object({
              kind: z.enum(['signed-answer', 'authenticated-2xx', 'keyed-answer', 'browser-return', 'own-record', 'none']),
              hash: z.string().optional().describe('SHA-256 of what proves it'),
              messageId: z.string().optional(),
              signedBy: z.string().optional()
            })
            .optional()
        })
        .nullable()
        .describe('null while it is open'),
      retryOf: deliveryIdSchema.optional()
    })
  )
})

export type SessionView = z.output<typeof sessionView>
export type SessionDetail = z.output<typeof sessionDetail>
export type ResetView = z.output<typeof resetView>
export type AccountLinkView = z.output<typeof accountLinkView>
export type RunView = z.output<typeof runView>
export type DeliveryView = z.output<typeof deliveryView>
export type EndedView = z.output<typeof endedView>
export type DryRunView = z.output<typeof dryRunView>
export type PeerView = z.output<typeof peerView>
export type AuditView = z.output<typeof auditView>
export type ConfigView = z.output<typeof configView>
export type EventView = z.output<typeof eventView>
export type EventGap = z.output<typeof eventGap>
export type StreamView = z.output<typeof streamView>
export type RegisteredClientView = z.output<typeof registeredClientView>
export type HealthView = z.output<typeof healthView>
export type FieldProblem = z.output<typeof fieldProblem>
export type ProblemView = z.output<typeof problemView>
export type LogoutRequestBody = z.input<typeof logoutRequest>

export const groupLinkView = z.object({
  group: z.string(),
  letter: z.string().describe('Stands in every identifier made there'),
  state: z.enum(['unknown', 'up', 'down', 'conflict']),
  sinceMs: atMs,
  lastAnswerAtMs: atMs.optional(),
  roundTripMs: z.number().optional(),
  code: z.string().optional(),
  why: z.string().optional()
})
export type GroupLinkView = z.output<typeof groupLinkView>

export const clusterView = z.object({
  mode: z.enum(['single', 'stateServers', 'adaptive']).describe('One node alone; nodes that share servers; nodes on Redis Cluster'),
  self: z.string().describe('The node that answers'),
  store: z.object({
    kind: z.string(),
    location: z.string(),
    durability: z.enum(['replicated', 'degraded', 'local']),
    format: z.int().optional().describe('What nodes write; it grows when every live node reads the next')
  }),
  nodes: z.array(
    z.object({
      id: z.string(),
      address: z.string(),
      version: z.string(),
      index: z.int().optional().describe('Index in the SAML artifacts that it issues; absent: a node of a former version'),
      group: z.string().optional(),
      tags: z.array(z.string()),
      startedAtMs: atMs,
      isLive: z.boolean(),
      work: z.enum(['draining', 'drained']).optional().describe('Absent: it takes work. draining: it hands over what it has. drained: it has nothing any more')
    })
  ),
  groups: z.object({
    mode: z.enum(['shared', 'subclusters', 'regions']).describe('One store only; groups that share revocations; groups that replicate'),
    self: z.object({ id: z.string(), letter: z.string() }),
    others: z.array(groupLinkView)
  })
})
export const placeHereView = z.object({
  session: sessionIdSchema,
  bucket: z.int(),
  slot: z.int(),
  primary: z.string(),
  copies: z.array(z.string())
})
export const placeView = z.union([
  placeHereView,
  z.object({ session: sessionIdSchema, group: z.string().describe('Another group has it, in a store of its own: ask one of its nodes') })
])
export type ClusterView = z.output<typeof clusterView>
export type PlaceHereView = z.output<typeof placeHereView>
export type PlaceView = z.output<typeof placeView>
