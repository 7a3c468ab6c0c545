import type { SimpleSubject, SubjectIdentifier } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { Session } from '../../core/session.ts'
import { type AuthorityContext, ownPartner } from '../context.ts'
import type { Found } from '../../stores/everywhere.ts'
import type { SessionParticipant } from '../../stores/store.ts'
import type { TransmitterSettings } from './settings.ts'

export type MatchingDeps = Pick<AuthorityContext, 'store' | 'everywhere' | 'clock' | 'clients' | 'connections' | 'locator' | 'baseUrl' | 'saml'>

/** Sessions that nothing has ended and that the subject means; of a complex one all members must match. */
export async function matchingSessions(deps: MatchingDeps, transmitter: TransmitterSettings, subject: SubjectIdentifier): Promise<Found<Session>> {
  const members = subject.format === 'complex' ? [subject.user, subject.session].filter((member) => member !== undefined) : [subject]
  const answers = await Promise.all(members.map((member) => sessionsOf(deps, transmitter, member)))
  const [first = [], ...others] = answers.map(({ found }) => found)
  const all = first.filter((session) => session.end === undefined && others.every((list) => list.some(({ id }) => id === session.id)))
  return { found: [...new Map(all.map((session) => [session.id, session])).values()], unreached: [...new Set(answers.flatMap(({ unreached }) => unreached))] }
}

async function sessionsOf(deps: MatchingDeps, transmitter: TransmitterSettings, subject: SimpleSubject): Promise<Found<Session>> {
  switch (subject.format) {
    case 'opaque':
      return byOpaque(deps, subject.id)
    case 'iss_sub':
      return byIssuer(deps, transmitter, subject.iss, subject.sub)
    case 'email':
      return deps.everywhere.byAddress(subject.email.toLowerCase())
  }
}

/** Our SRI, or the `sid` or SessionIndex of any partner. */
async function byOpaque(deps: MatchingDeps, id: string): Promise<Found<Session>> {
  const own = deps.locator.open(ownPartner, id)
  const session = own === undefined ? undefined : await deps.store.getSession(own)
  if (session !== undefined) return { found: [session], unreached: [] }
  return together(await Promise.all(allPeers(deps).map((peerId) => deps.everywhere.byIndex(peerId, id))))
}

/** The name that an upstream provider gave us, or one that we gave to an application. */
async function byIssuer(deps: MatchingDeps, transmitter: TransmitterSettings, issuer: string, subject: string): Promise<Found<Session>> {
  const peers = peersOfIssuer(deps, transmitter, issuer)
  return together(await Promise.all(peers.map((peerId) => deps.everywhere.byName(peerId, subject))))
}

function together(answers: readonly Found<SessionParticipant>[]): Found<Session> {
  return { found: answers.flatMap(({ found }) => found.map(({ session }) => session)), unreached: answers.flatMap(({ unreached }) => unreached) }
}

function peersOfIssuer(deps: MatchingDeps, transmitter: TransmitterSettings, issuer: string): readonly PeerId[] {
  if (issuer === deps.baseUrl || issuer === deps.saml.entityId) return [...deps.connections.applications(), ...deps.clients.all()].map(({ id }) => id)
  if (issuer === transmitter.issuer && transmitter.identityProvider !== undefined) return [transmitter.identityProvider]
  const upstream = deps.connections.identityProvider(issuer)
  return upstream === undefined ? [] : [upstream.id]
}

function allPeers(deps: MatchingDeps): readonly PeerId[] {
  return [...deps.connections.all(), ...deps.clients.all()].map(({ id }) => id)
}
