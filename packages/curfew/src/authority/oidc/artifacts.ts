import type { Adapter, AdapterPayload } from 'oidc-provider'
import type { SessionId } from '../../core/ids.ts'
import type { Artifact } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import { readAccessToken } from './access-token.ts'
import { amrOf } from './authentication-methods.ts'
import { keyOf } from './artifact-key.ts'
import { dropGrant } from './grant-generation.ts'
import { innerSession, requestScope } from './scope.ts'

/** Told before a code or token is stored, and so before it can leave. */
export type OnIssue = (kind: string, payload: AdapterPayload) => Promise<void>

type ArtifactDeps = Pick<AuthorityContext, 'store' | 'clock' | 'clients' | 'oidc' | 'baseUrl'>

/** For a model that the library gives no end. */
const artifactSecondsDefault = 86_400

/** Where the library keeps its models: in our store, under the hash of the secret that names each. */
export function artifactAdapter(deps: ArtifactDeps, kind: string, onIssue: OnIssue, alreadyUsed: () => Error): Adapter {
  if (kind === 'Session') return sessionAdapter()
  const read = async (id: string): Promise<AdapterPayload | undefined> => {
    const record = kind === 'AccessToken' ? await recordOf(deps, id) : keyOf(id)
    return record === undefined ? undefined : payloadOf(await deps.store.getArtifact(kind, record, deps.clock.nowMs()), id)
  }
  return {
    async upsert(id, payload, expiresIn = artifactSecondsDefault) {
      const put = () => deps.store.putArtifact(artifactOf(deps, kind, id, payload, expiresIn))
      // A code leaves when both are written, and nobody knows it before: they go to the store together.
      if (kind === 'AuthorizationCode') return void (await Promise.all([onIssue(kind, payload), put()]))
      await onIssue(kind, payload)
      await put()
    },
    find: read,
    async findByUid(uid) {
      return read(uid)
    },
    async findByUserCode() {
      return undefined
    },
    async destroy(id) {
      if (kind === 'Grant') await dropGrant(deps, keyOf(id))
      else await deps.store.dropArtifact(kind, keyOf(id))
    },
    async consume(id) {
      const { value } = await deps.store.consumeArtifact(kind, keyOf(id), deps.clock.nowMs())
      // Of two requests with one code, or one refresh token, the later one gets nothing.
      if (value !== 'consumed') throw alreadyUsed()
    },
    async revokeByGrantId(grantId) {
      await dropGrant(deps, keyOf(grantId))
    }
  }
}

function artifactOf({ clock }: ArtifactDeps, kind: string, id: string, payload: AdapterPayload, seconds: number): Artifact {
  const { jti: _jti, ...value } = payload
  const sessionId = payload.accountId as SessionId | undefined
  return {
    kind,
    id: keyOf(id),
    untilMs: clock.nowMs() + seconds * 1000,
    value,
    ...(payload.grantId === undefined && kind !== 'Grant' ? {} : { grantId: keyOf(payload.grantId ?? id) }),
    ...(sessionId === undefined ? {} : { sessionId })
  }
}

/**
 * The library's session is drawn from ours for each request and never stored: a browser has exactly the one session
 * that the authority knows, and its end is the end of this one.
 */
function sessionAdapter(): Adapter {
  const drawn = (id: string): AdapterPayload | undefined => {
    const scope = requestScope.getStore()
    if (scope === undefined) return undefined
    const { browser, session, beganAs } = scope
    const base = { jti: id, uid: browser, kind: 'Session' }
    if (session === undefined) return base
    const { id: accountId, authnContext: acr, authenticatedAtMs } = session
    return { ...base, accountId: beganAs ?? accountId, acr, ...amrOf(session), loginTs: Math.floor(authenticatedAtMs / 1000), authorizations: {} }
  }
  return {
    find: async (id) => drawn(id),
    findByUid: async (uid) => (requestScope.getStore()?.browser === uid ? drawn(innerSession) : undefined),
    async upsert() {},
    async findByUserCode() {
      return undefined
    },
    async destroy() {},
    async consume() {},
    async revokeByGrantId() {}
  }
}

function payloadOf(artifact: Artifact | undefined, id: string): AdapterPayload | undefined {
  if (artifact === undefined) return undefined
  const { consumedAtMs } = artifact
  return { ...(artifact.value as AdapterPayload), jti: id, ...(consumedAtMs === undefined ? {} : { consumed: Math.floor(consumedAtMs / 1000) }) }
}

/** Where a token that a client shows is recorded: an opaque one under its hash, a self-contained one under its `jti`. */
export async function recordOf(deps: Pick<AuthorityContext, 'oidc' | 'baseUrl'>, token: string): Promise<string | undefined> {
  return token.includes('.') ? readAccessToken(deps, token) : keyOf(token)
}
