import type { SessionId } from '../../core/ids.ts'
import type { Locator } from '../../platform/locator.ts'
import type { AdapterRole } from './adapter.ts'

/** Routes of the one-time paths by which browsers come back from an application, as the replaced product has them. */
export const resumeRoutes = {
  logout: { sp: '/sp/:nonce/resume/sp/startSLO.ping', idp: '/idp/:nonce/resume/idp/startSLO.ping' },
  login: '/idp/:nonce/resume/idp/startSSO.ping',
  accountLink: '/sp/:nonce/resume/sp/startSSO.ping'
} as const

const nonceShape = /^([\w-]{22})\.([\w-]{48})$/

/**
 * The path that an application gets: a fresh random part and the session, sealed for it. Any node finds the group of the
 * session in it, two applications can't compare theirs, and a path that was made up is refused without a look-up.
 * @param random - 22 characters, used once
 */
export function logoutResumePath(locator: Locator, role: AdapterRole, random: string, sessionId: SessionId): string {
  return resumeRoutes.logout[role].replace(':nonce', `${random}.${locator.seal(partnerOf(role, random), sessionId)}`)
}

/** What stands in a resume path; undefined when it was not made here. */
export function openResume(locator: Locator, role: AdapterRole, nonce: string): { readonly random: string; readonly sessionId: SessionId } | undefined {
  const [, random, sealed] = nonceShape.exec(nonce) ?? []
  const sessionId = random === undefined || sealed === undefined ? undefined : locator.open(partnerOf(role, random), sealed)
  return random === undefined || sessionId === undefined ? undefined : { random, sessionId }
}

function partnerOf(role: AdapterRole, random: string): string {
  return `curfew:resume:${role}:${random}`
}
