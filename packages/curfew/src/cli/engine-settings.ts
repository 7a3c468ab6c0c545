import { hostname } from 'node:os'
import type { Config } from '../config/schema.ts'
import type { RunPolicy } from '../core/run.ts'
import type { EngineDeps } from '../engine/deps.ts'
import { nodeName } from './open-store.ts'

/** Effects stay at least so long with one process before another may take them. */
const leaseMsMin = 30_000
const keepRunsMs = 400 * 86_400_000

/** How runs are carried out. */
export function engineSettings(
  config: Config
): Pick<EngineDeps, 'policy' | 'owner' | 'leaseMs' | 'revocationMs' | 'revokesOnLogout' | 'registryMs' | 'sessionsPerUserMax' | 'keepRunsMs' | 'limits'> {
  const policy = runPolicy(config.logout)
  return {
    policy,
    owner: config.store.kind === 'redis' ? nodeName(config) : `${hostname()}:${config.store.file}`,
    leaseMs: Math.max(leaseMsMin, 4 * policy.sendTimeoutMs),
    revocationMs: config.sessions.revocationMinutes * 60_000,
    revokesOnLogout: config.sessions.revokeOnLogout,
    registryMs: config.sessions.registryMinutes * 60_000,
    sessionsPerUserMax: config.sessions.perUserMax,
    keepRunsMs,
    limits: { perPeerMax: config.outbound.perPeerMax }
  }
}

/** Limits of a run, as configured. */
export function runPolicy(logout: Config['logout']): RunPolicy {
  return {
    attemptsMax: logout.attempts,
    retryBaseMs: logout.retryBaseSeconds * 1000,
    retryCapMs: logout.retryCapSeconds * 1000,
    sendTimeoutMs: logout.sendTimeoutSeconds * 1000,
    hopTimeoutMs: logout.hopTimeoutSeconds * 1000,
    frameTimeoutMs: logout.frameTimeoutSeconds * 1000,
    patienceMs: logout.patienceSeconds * 1000,
    deadlineMs: logout.deadlineHours * 3_600_000
  }
}
