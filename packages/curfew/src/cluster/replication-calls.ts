import { z } from 'zod'
import type { Fact } from '../stores/fact.ts'
import type { FactPage } from '../stores/fact-store.ts'
import type { RevocationEntry } from '../stores/store.ts'

/**
 * A fact as it came over a proved link. Its kind and service are looked at, the rest is the other group's word: it is
 * the same product on the same secret. A kind that is not known here stops the reading until this group is brought up
 * to date, because what was passed over would never come again.
 */
const fact = z.looseObject({
  kind: z.enum([
    'opened',
    'participant',
    'active',
    'renewed',
    'ended',
    'run',
    'revoked',
    'replay',
    'failed-sign-in',
    'sign-ins-cleared',
    'artifact',
    'artifact-dropped',
    'grant-dropped',
    'transaction',
    'transaction-taken'
  ]),
  service: z.enum(['sessions', 'assertionReplay', 'accountLocking', 'referenceTokens', 'transactions', 'registeredClients', 'revocations'])
}) as unknown as z.ZodType<Fact>

const cursor = z.string().max(16_384)
const waitMs = z.int().min(0).max(5_000)
const max = z.int().min(1).max(1_000)

/** Facts after a cursor; waits for the first one. The cursor says what the caller has joined. */
export const factsRead = 'facts.read'
export const factsReadBody = z.strictObject({ cursor, max, waitMs })
export const factsReadAnswer: z.ZodType<FactPage> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('facts'), facts: z.array(fact), cursor }),
  z.strictObject({ kind: z.literal('behind') })
])

/** Everything there is, page by page; without a place also where to read on afterwards. */
export const factsExport = 'facts.export'
export const factsExportBody = z.strictObject({ place: z.string().max(4_096).optional(), max })
export interface ExportAnswer {
  readonly facts: readonly Fact[]
  readonly place?: string | undefined
  /** With the first page: the end of the stream before it. */
  readonly head?: string | undefined
}
export const factsExportAnswer: z.ZodType<ExportAnswer> = z.strictObject({ facts: z.array(fact), place: z.string().optional(), head: cursor.optional() })

/** Everything about one session. */
export const factsSession = 'facts.session'
export const factsSessionBody = z.strictObject({ sessionId: z.string().max(64).regex(/^ses_/) })
export const factsSessionAnswer = z.strictObject({ facts: z.array(fact) })

/** The revocation list in the order of its feed; waits for the first entry after the cursor. */
export const revocationsRead = 'revocations.read'
export const revocationsReadBody = z.strictObject({ cursor: z.int().min(0), max, waitMs })
export const revocationsReadAnswer: z.ZodType<{ readonly store: string; readonly entries: readonly RevocationEntry[] }> = z.strictObject({
  /** Tells a list from one that began again. */
  store: z.string().max(128),
  entries: z.array(z.strictObject({ cursor: z.int(), sri: z.string().max(256), untilMs: z.int(), atMs: z.int() }))
})

/**
 * Artifacts of a transaction that change group with the browser. A code does not: whoever shows one is handed over to where
 * it was issued, which has the grant and the session, too.
 */
export const movedArtifacts = ['PushedAuthorizationRequest', 'Interaction'] as const
export type MovedArtifact = (typeof movedArtifacts)[number]

/**
 * Hands an artifact of a transaction over: it is gone where it was. `isKnown`: the caller has had it, and does not ask because
 * an answer was lost.
 */
export const artifactsTake = 'artifacts.take'
export const artifactsTakeBody = z.strictObject({ kind: z.enum(movedArtifacts), id: z.string().max(128), isKnown: z.literal(true).optional() })
export const artifactsTakeAnswer = z.strictObject({
  artifact: z
    .strictObject({
      untilMs: z.number(),
      value: z.unknown(),
      grantId: z.string().exactOptional(),
      sessionId: z.templateLiteral(['ses_', z.string().max(64)]).exactOptional()
    })
    .optional()
})

/** Hands a transaction over: it is gone where it was. */
export const transactionsTake = 'transactions.take'
export const transactionsTakeBody = z.strictObject({
  key: z.string().max(512),
  /** The group that asks has never had it: what was handed to it a moment ago is handed to it again. Former versions refuse this. */
  isLost: z.literal(true).exactOptional()
})
/** `at`: the letter of the group that it was handed to. */
export const transactionsTakeAnswer = z.strictObject({ isFound: z.boolean(), value: z.unknown().optional(), at: z.string().max(1).optional() })
