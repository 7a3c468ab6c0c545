import type { ClientSettings } from '../../../src/authority/oidc/settings.ts'
import type { TransmitterSettings } from '../../../src/authority/shared-signals/settings.ts'
import type { SessionId } from '../../../src/core/ids.ts'
import type { Kit } from '../kit.ts'
import { authorityUrl } from '../partner.ts'

export const secret = 'a secret of the receiver, long enough'
export const pushToken = 'a-token-of-the-transmitter'

/** A client that may have a stream. */
export function receiver(more: Partial<ClientSettings> = {}): ClientSettings {
  return { id: 'radar', clientSecret: secret, redirectUris: ['https://radar.example/cb'], sharedSignals: {}, ...more }
}

export function transmitter(more: Partial<TransmitterSettings> = {}): TransmitterSettings {
  return { id: 'tower', issuer: authorityUrl, audience: 'radar', jwksUri: `${authorityUrl}/pf/JWKS`, pushToken, ...more }
}

export function basic(clientId = 'radar', password = secret): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(password)}`).toString('base64')}`
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly url: string
  readonly body?: object
  readonly authorization?: string
}

/** One request of a receiver. */
export async function call(
  kit: Kit,
  { method, url, body, authorization = basic() }: Call
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const answer = await kit.app.inject({
    method,
    url,
    headers: { authorization, accept: 'application/json' },
    ...(body === undefined ? {} : { payload: body })
  })
  return { status: answer.statusCode, body: answer.body === '' ? {} : (answer.json() as Record<string, unknown>) }
}

export async function makeStream(kit: Kit, delivery?: object): Promise<string> {
  const { body, status } = await call(kit, { method: 'POST', url: '/ssf/stream', body: delivery === undefined ? {} : { delivery } })
  if (status !== 201) throw new Error(`no stream: ${status} ${JSON.stringify(body)}`)
  return String(body['stream_id'])
}

/** Ends a session as an administrator does. */
export async function end(kit: Kit, sessionId: SessionId): Promise<void> {
  await kit.ctx.engine.endSessions({
    scope: { kind: 'session', sessionId },
    reason: 'admin',
    by: { kind: 'admin', id: 'test' },
    starter: { kind: 'none' },
    browser: 'absent'
  })
}

/** The live session of a user. */
export async function liveSession(kit: Kit, username = 'ana'): Promise<SessionId | undefined> {
  const { items } = await kit.store.listSessions({ username, state: 'live', limit: 10, nowMs: kit.clock.nowMs() })
  return items[0]?.session.id
}

export async function sessionOf(kit: Kit, username = 'ana'): Promise<SessionId> {
  const id = await liveSession(kit, username)
  if (id === undefined) throw new Error(`${username} is not signed in`)
  return id
}

/** Lets work that is under way go on until something holds. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`it never came to pass: ${what}`)
}
