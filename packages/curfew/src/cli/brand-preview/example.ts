import type { DeliveryId, PeerId } from '../../core/ids.ts'
import type { Outcome, OutcomeKind } from '../../core/outcome.ts'
import type { Peer } from '../../core/peer.ts'
import type { Delivery, LogoutRun } from '../../core/run.ts'
import type { RunView } from '../../authority/sign-off/run-view.ts'
import type { ListedSession } from '../../authority/sign-off/sessions-body.ts'
import type { LinkedAccount } from '../../authority/sign-off/deps.ts'
import type { PageContext } from '../../authority/pages/page.ts'

/** Everything that the examples say: the same in every preview, so that two of them can be compared. */
export const exampleUser = 'ana.lindqvist'
export const exampleReference = 'msg_7Hq2Vd4KfT'
export const exampleCsrfToken = 'example'
/** 15 January 2026, 9:30 in UTC. */
const startedAtMs = Date.UTC(2026, 0, 15, 9, 30)
/** When the examples of a run under way are looked at. */
export const exampleNowMs = startedAtMs + 1_400

/** Applications of the examples. The long name is there to be looked at. */
export const exampleApps = {
  payroll: 'Payroll',
  wiki: 'Wiki',
  calendar: 'Calendar',
  travel: 'Travel and expense reports of the whole group',
  archive: 'Archive',
  chat: 'Chat',
  reports: 'Reports',
  mail: 'Mail'
} as const

export type ExampleApp = keyof typeof exampleApps

/** A partner as the pages know it. */
export function examplePeer(id: PeerId): Peer {
  const url = `https://${id}.example`
  const name = exampleApps[id as ExampleApp] ?? 'Campus'
  return {
    id,
    name,
    homeUrl: `${url}/`,
    protocol: 'saml',
    role: 'application',
    entityId: url,
    channels: [{ kind: 'server', binding: 'soap', url: `${url}/slo` }],
    mayBeAsked: true,
    returnsBrowser: true
  }
}

export type ExampleDelivery = Partial<Delivery> & { readonly app: ExampleApp }

function delivery({ app, ...change }: ExampleDelivery, n: number): Delivery {
  const channel = { kind: 'server', binding: 'soap', url: `https://${app}.example/slo` } as const
  // Whoever was not asked took no time for it.
  const isAsked = change.outcome?.kind !== 'not-asked' && change.outcome?.kind !== 'unsupported'
  return {
    id: `dlv_example${n}` as DeliveryId,
    participantId: `${app}:example${n}`,
    peerId: app,
    peerName: exampleApps[app],
    nameId: { value: exampleUser },
    sessionIndex: `example-${n}`,
    assertionNotOnOrAfterMs: startedAtMs,
    channels: examplePeer(app).channels,
    channelIndex: 0,
    returnsBrowser: true,
    state: change.outcome === undefined ? 'pending' : 'final',
    attempts: isAsked ? [{ number: 1, channel, messageId: 'example', startedAtMs }] : [],
    ...(change.outcome === undefined ? {} : { finalAtMs: startedAtMs + 400 + 300 * n }),
    ...change
  }
}

/** An outcome of each kind. @param code - why, where a page tells one reason from others */
export function exampleOutcome(kind: OutcomeKind, code = 'CURFEW_RUN_PARTICIPANT_TIMEOUT'): Outcome {
  switch (kind) {
    case 'ended':
    case 'already-ended':
      return { kind, proof: { kind: 'none' } }
    case 'refused':
      return { kind, code, statusCode: 'Responder' }
    case 'unreachable':
    case 'timed-out':
      return { kind, code, attempts: 1 }
    case 'unconfirmed':
    case 'unsupported':
    case 'not-asked':
      return { kind, code }
  }
}

/** One that ends, in its application at once. */
export const ended = (app: ExampleApp): ExampleDelivery => ({ app, outcome: exampleOutcome('ended') })

/** What the pages of a run are drawn from. */
export function exampleView(context: PageContext, deliveries: readonly ExampleDelivery[], change: Partial<LogoutRun> = {}, isOwner = true): RunView {
  const all = deliveries.map(delivery)
  const isOpen = all.some(({ outcome }) => outcome === undefined)
  const run: LogoutRun = {
    id: 'run_0a7ExampleExampleExample',
    version: 1,
    sessionId: 'ses_0a7ExampleExampleExample',
    userKey: `form:${exampleUser}`,
    username: exampleUser,
    sri: 'example',
    tokenHash: 'example',
    reason: 'user',
    startedBy: { kind: 'user', id: exampleUser },
    starter: { kind: 'user' },
    startedAtMs,
    policy: {
      attemptsMax: 4,
      retryBaseMs: 1_000,
      retryCapMs: 60_000,
      sendTimeoutMs: 5_000,
      hopTimeoutMs: 30_000,
      frameTimeoutMs: 5_000,
      patienceMs: 10_000,
      deadlineMs: 3_600_000
    },
    deliveries: all,
    state: isOpen ? 'open' : 'done',
    ...change
  }
  return { run, context, isOwner, csrfToken: exampleCsrfToken, peer: examplePeer }
}

const windows = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0'
const phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/604.1'

/** A browser, a telephone, and a device that said nothing of itself. */
export const exampleSessions: readonly ListedSession[] = [
  {
    session: { id: 'ses_0a7Example1', createdAtMs: startedAtMs, userAgent: windows },
    isThis: true,
    participants: [{ peerId: 'payroll' }, { peerId: 'travel' }, { peerId: 'mail', grant: 'offline' }]
  },
  { session: { id: 'ses_0a7Example2', createdAtMs: startedAtMs - 5_400_000, userAgent: phone }, isThis: false, participants: [{ peerId: 'calendar' }] },
  { session: { id: 'ses_0a7Example3', createdAtMs: startedAtMs - 90_000_000 }, isThis: false, participants: [] }
]

export const exampleLinks: readonly LinkedAccount[] = [
  { id: 'example-1', providerId: 'campus', role: 'upstream', providerUser: 'ana@campus.example', linkedAtMs: startedAtMs - 864_000_000 },
  { id: 'example-2', providerId: 'reports', role: 'application', providerUser: 'alindqvist', linkedAtMs: startedAtMs - 172_800_000 }
]
