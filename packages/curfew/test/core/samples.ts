import type { DeliveryId, ParticipantId } from '../../src/core/ids.ts'
import type { Participant } from '../../src/core/participant.ts'
import type { LogoutChannel, Peer } from '../../src/core/peer.ts'
import type { Delivery, LogoutRun, RunPolicy, Starter } from '../../src/core/run.ts'

export const policy: RunPolicy = {
  attemptsMax: 3,
  retryBaseMs: 1_000,
  retryCapMs: 8_000,
  sendTimeoutMs: 2_000,
  hopTimeoutMs: 4_000,
  frameTimeoutMs: 2_000,
  patienceMs: 5_000,
  deadlineMs: 60_000
}

export const server: LogoutChannel = { kind: 'server', binding: 'soap', url: 'https://app.example/soap' }
export const frame: LogoutChannel = { kind: 'frame', binding: 'redirect', url: 'https://app.example/slo' }
export const picture: LogoutChannel = { kind: 'frame', binding: 'image', url: 'https://app.example/logout.png' }
export const hop: LogoutChannel = { kind: 'hop', binding: 'redirect', url: 'https://app.example/slo' }

export const proof = { kind: 'signed-answer', messageId: '_answer', hash: 'ab', signedBy: 'AA:BB' } as const

export function delivery(id: string, channels: readonly LogoutChannel[], more: Partial<Delivery> = {}): Delivery {
  return {
    id: `dlv_${id}`,
    participantId: `${id}:1`,
    peerId: id,
    peerName: id,
    nameId: { value: `name at ${id}` },
    sessionIndex: `index at ${id}`,
    assertionNotOnOrAfterMs: 0,
    channels,
    channelIndex: 0,
    returnsBrowser: true,
    state: channels[0]?.kind === 'server' ? 'pending' : 'waiting-for-browser',
    attempts: [],
    ...more
  }
}

export function run(deliveries: readonly Delivery[], more: Partial<LogoutRun> = {}): LogoutRun {
  return {
    id: 'run_TEST',
    version: 1,
    sessionId: 'ses_a00test',
    userKey: 'local:ana',
    username: 'ana',
    sri: 'sri',
    tokenHash: 'token',
    reason: 'user',
    startedBy: { kind: 'user', id: 'ana' },
    starter: { kind: 'user' },
    startedAtMs: 0,
    policy,
    deliveries,
    state: 'open',
    browserSeenAtMs: 0,
    ...more
  }
}

export function participant(peerId: string): Participant {
  return {
    id: `${peerId}:1` as ParticipantId,
    peerId,
    role: 'application',
    protocol: 'saml',
    nameId: { value: `name at ${peerId}` },
    sessionIndex: `index at ${peerId}`,
    addedAtMs: 0,
    lastIssuedAtMs: 0,
    assertionNotOnOrAfterMs: 0
  }
}

export function peer(id: string, channels: readonly LogoutChannel[], more: Partial<Peer> = {}): Peer {
  return { id, name: id, protocol: 'saml', role: 'application', entityId: `https://${id}.example`, channels, mayBeAsked: true, returnsBrowser: true, ...more }
}

export function byParticipant(peerId: string, binding: 'redirect' | 'post' | 'soap' = 'redirect'): Starter {
  return { kind: 'participant', participantId: `${peerId}:1`, peerId, binding, requestId: '_request', wantsResponse: true }
}

export function deliveryIds(): () => DeliveryId {
  let n = 0
  return () => `dlv_${(n += 1)}`
}
