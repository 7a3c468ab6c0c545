import { browserSteps } from '../core/browser-steps.ts'
import type { DeliveryId, PeerId, RunId } from '../core/ids.ts'
import type { Delivery, LogoutRun, RunEvent } from '../core/run.ts'
import { channelOf } from '../core/step.ts'
import { isSettled } from '../core/verdict.ts'
import type { BrowserKeepers } from './browser-keepers.ts'
import type { EngineDeps } from './deps.ts'
import type { BrowserStep } from './engine.ts'
import { isOpenedSince } from './opened-since.ts'
import { createProbeCache, type ProbeCache, type ProbeTrust, probeTimeoutMs } from './probe-cache.ts'
import { eventOf } from './result-event.ts'
import type { RunWriter } from './run-writer.ts'
import { senderOf } from './sender-of.ts'
import type { BrowserAnswer, BrowserInstruction } from './sender.ts'

/** Work that needs the user's browser. */
export interface BrowserWork {
  nextBrowserStep(runId: RunId, isGone?: () => boolean): Promise<BrowserStep>
  prepareFrame(runId: RunId, deliveryId: DeliveryId): Promise<BrowserInstruction | undefined>
  browserAnswered(peerId: PeerId, messageId: string, answer: BrowserAnswer): Promise<LogoutRun | undefined>
}

export type BrowserDeps = Pick<EngineDeps, 'store' | 'clock' | 'random' | 'senders' | 'peer' | 'probe' | 'logger'> & {
  readonly writer: RunWriter
  readonly keepers: Pick<BrowserKeepers, 'has'>
}

/** Time one request may spend on hops that are not reachable; the page comes again for the others. */
export const lookingMsMax = 4_000

export function createBrowserWork(deps: BrowserDeps): BrowserWork {
  const probes = createProbeCache(deps)
  return {
    nextBrowserStep: (runId, isGone = () => false) => nextBrowserStep(deps, probes, runId, isGone),
    async prepareFrame(runId, deliveryId) {
      const run = await deps.store.getRun(runId)
      const delivery = run === undefined ? undefined : browserSteps(run).frames.find((d) => d.id === deliveryId)
      return delivery === undefined ? undefined : sendBrowser(deps, runId, delivery)
    },
    async browserAnswered(peerId, messageId, answer) {
      const found = await deps.store.findByMessage(peerId, messageId)
      if (found === undefined) return undefined
      const event = eventOf(answer, found.deliveryId as DeliveryId, messageId, deps.clock.nowMs(), 0)
      return deps.writer.write(found.runId, () => [event])
    }
  }
}

async function nextBrowserStep(deps: BrowserDeps, probes: ProbeCache, runId: RunId, isGone: () => boolean): Promise<BrowserStep> {
  const { clock, writer } = deps
  const untilMs = clock.nowMs() + lookingMsMax
  let run = await writer.write(runId, () => [{ kind: 'browser-seen', atMs: clock.nowMs() }])
  while (run !== undefined && clock.nowMs() < untilMs && !isGone()) {
    const { hops } = browserSteps(run)
    const doubt = (one: Delivery): number => doubtOf(deps, probes, one)
    // Those that a browser is expected back from come first; otherwise the order of the plan stays.
    const [hop, next] = [...hops].sort((a, b) => doubt(a) - doubt(b))
    if (hop === undefined) break
    const isBetter = next !== undefined && doubt(hop) === 0 && doubt(next) <= 1
    // Whoever is put off for one that there is no time to look at is put off by the next request as well.
    const mayPostpone = (): boolean => isBetter && clock.nowMs() + probeTimeoutMs < untilMs
    const offered = await offerHop(deps, probes, runId, { hop, mayPostpone }, isGone)
    if (offered !== undefined) return { kind: 'hop', delivery: hop, instruction: offered }
    run = await deps.store.getRun(runId)
  }
  return run === undefined || isSettled(run, clock.nowMs()) ? { kind: 'finished' } : { kind: 'wait' }
}

/** 1: its server raises a fault over a bare request; 2: a browser was lost there lately; 3: it is configured as not giving it back. */
function doubtOf({ keepers }: BrowserDeps, probes: ProbeCache, delivery: Delivery): number {
  if (!delivery.returnsBrowser) return 3
  if (keepers.has(delivery.peerId)) return 2
  return probes.isDoubtful(addressOf(delivery)) ? 1 : 0
}

function addressOf(delivery: Delivery): string {
  return channelOf(delivery)?.url ?? ''
}

interface Offer {
  readonly hop: Delivery
  /** Another application can be visited first, from which the browser is expected back, and there is time to look at it. */
  readonly mayPostpone: () => boolean
}

/**
 * Undefined when this application is passed over now; why is recorded in the run. One that may keep the browser on an error
 * page of its own is left for the end.
 */
async function offerHop(
  deps: BrowserDeps,
  probes: ProbeCache,
  runId: RunId,
  { hop, mayPostpone }: Offer,
  isGone: () => boolean
): Promise<BrowserInstruction | undefined> {
  const probed = await probes.look(hop.peerId, addressOf(hop), trustFor(hop))
  if (probed.reachable && probed.isDoubtful === true && mayPostpone()) return undefined
  if (probed.reachable && !isGone()) return sendBrowser(deps, runId, hop)
  if (probed.reachable) return undefined
  const failed: RunEvent = { kind: 'probe-failed', atMs: deps.clock.nowMs(), deliveryId: hop.id, code: probed.code, jitter: deps.random.fraction() }
  await deps.writer.write(runId, () => [failed])
  return undefined
}

function trustFor(hop: Delivery): ProbeTrust {
  if (hop.retryOf !== undefined) return 'none'
  const failed = hop.attempts.findLast((attempt) => attempt.channel.kind === 'server' && attempt.code !== undefined)
  if (failed?.code === undefined) return 'any'
  return isSilence(failed.code) ? 'bad' : 'good'
}

/** True where the code says that nobody answered at all. */
function isSilence(code: string): boolean {
  return code.startsWith('CURFEW_OUTBOUND_') || code === 'CURFEW_SAML_PEER_UNREACHABLE' || code === 'CURFEW_SAML_PEER_TIMEOUT'
}

/** Records the message before the browser leaves with it. Of two requests at once one gets the instruction. */
async function sendBrowser(deps: BrowserDeps, runId: RunId, delivery: Delivery): Promise<BrowserInstruction | undefined> {
  const { clock, writer } = deps
  const sender = senderOf(deps, delivery)
  const messageId = sender.newMessageId()
  const isNewer = await isOpenedSince(deps.store, await deps.store.getRun(runId), delivery.id, clock.nowMs())
  const about = { atMs: clock.nowMs(), deliveryId: delivery.id }
  const sent: RunEvent = isNewer ? { kind: 'opened-again', ...about } : { kind: 'browser-sent', ...about, messageId }
  const run = await writer.write(runId, (stored) => (mayLeave(stored, delivery) ? [sent] : []))
  const now = run?.deliveries.find((d) => d.id === delivery.id)
  const attempt = now?.attempts.find((a) => a.messageId === messageId)
  if (run === undefined || now === undefined || attempt === undefined) return undefined
  try {
    return await sender.prepareBrowser({ run, delivery: now, channel: attempt.channel, attempt: attempt.number, messageId, nowMs: clock.nowMs() })
  } catch (error) {
    deps.logger.error({ event: 'delivery.sender-failed', run: runId, connection: delivery.peerId, err: error }, 'A message for the browser could not be made')
    const failed = eventOf({ kind: 'failed', why: 'unreachable', code: 'CURFEW_RUN_SENDER_FAILED', retryable: false }, delivery.id, messageId, clock.nowMs(), 0)
    await writer.write(runId, () => [failed])
    return undefined
  }
}

/** The delivery still waits for the browser, and a hop finds it here. */
function mayLeave(run: LogoutRun, delivery: Delivery): boolean {
  const steps = browserSteps(run)
  return steps.hops.some((hop) => hop.id === delivery.id) || steps.frames.some((frame) => frame.id === delivery.id)
}
