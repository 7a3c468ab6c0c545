import { securityEvents, sha256Hex, type SimpleSubject } from '@curfew/codecs'
import type { OidcClient } from '../oidc/client.ts'
import { subjectOf } from '../oidc/subject.ts'
import type { User } from '../sign-on/user-directory.ts'
import { addressesOf } from '../../core/session.ts'
import { isSame, type OwedDeps, receiversOf } from './owed.ts'
import { jtiOf, setKeepMs, type Stream } from './streams.ts'

/** What was told of a change; a day longer than a change is told at all. */
const toldKind = 'ToldCredentialChange'
const dayMs = 86_400_000

/**
 * Owes every stream that wants it what changed passwords mean, whether the user has sessions or not. A change is told
 * once, also over restarts and at several nodes; one that is older than signals are kept is news to nobody.
 * @returns how many signals
 * @see CAEP 1.0 section 3.3
 */
export async function oweCredentialChanges(deps: OwedDeps, users: readonly User[]): Promise<number> {
  let count = 0
  for (const user of users) {
    const { passwordChangedAtMs: atMs } = user
    if (atMs === undefined || deps.clock.nowMs() - atMs > setKeepMs) continue
    const id = sha256Hex(`${user.userKey}\0${atMs}`)
    if ((await deps.store.getArtifact(toldKind, id, deps.clock.nowMs())) !== undefined) continue
    for (const client of receiversOf(deps)) if (await oweOne(deps, client, user, atMs)) count += 1
    // Afterwards: what a crash leaves half done is owed again, under the same identifiers.
    await deps.store.putArtifact({ kind: toldKind, id, untilMs: atMs + setKeepMs + dayMs, value: {} })
  }
  return count
}

async function oweOne(deps: OwedDeps, client: OidcClient, user: User, atMs: number): Promise<boolean> {
  const stream = await deps.streams.find(client.clientId)
  if (stream === undefined || stream.status === 'disabled' || !stream.eventsRequested.includes(securityEvents.credentialChange)) return false
  const subject = subjectFor(deps, client, user)
  if (subject === undefined || isRemoved(deps, stream, client, user)) return false
  const state = await deps.streams.owe(stream, {
    jti: jtiOf(stream, `credential-change\0${user.userKey}\0${atMs}`),
    event: securityEvents.credentialChange,
    payload: { event_timestamp: Math.floor(atMs / 1000), credential_type: 'password', change_type: 'update' },
    subject,
    issuedAtMs: atMs,
    attempts: 0,
    nextAttemptAtMs: 0
  })
  if (state === 'owed') return true
  await deps.streams.count(stream, (tally) => ({ ...tally, lost: tally.lost + 1 }))
  const nowMs = deps.clock.nowMs()
  await deps.store.appendAudit({
    atMs: nowMs,
    event: 'signal.lost',
    actor: { kind: 'system', id: 'signals' },
    peerId: client.id,
    userKey: user.userKey,
    detail: { why: 'backlog full' }
  })
  deps.logger.error({ event: 'signal.lost', connection: client.id, why: 'backlog full' }, 'A shared signal is lost: the receiver takes too few')
  return false
}

/** The user everywhere: no session is meant. Undefined: the user has no address. */
function subjectFor(deps: OwedDeps, client: OidcClient, user: User): SimpleSubject | undefined {
  const [email] = addressesOf(user)
  if (client.signalSubject === 'email') return email === undefined ? undefined : { format: 'email', email }
  return { format: 'iss_sub', iss: deps.baseUrl, sub: subjectOf(deps, client, user) }
}

function isRemoved(deps: OwedDeps, { removedSubjects }: Stream, client: OidcClient, user: User): boolean {
  const emails = addressesOf(user).map((email): SimpleSubject => ({ format: 'email', email }))
  const names: readonly SimpleSubject[] = [{ format: 'iss_sub', iss: deps.baseUrl, sub: subjectOf(deps, client, user) }, ...emails]
  return removedSubjects.some((removed) => names.some((name) => isSame(removed, name)))
}
