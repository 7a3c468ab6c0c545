import type { SimpleSubject, SubjectIdentifier } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { Session } from '../../core/session.ts'
import { type AuthorityContext, ownPartner } from '../context.ts'
import type { TransmitterSettings } from './settings.ts'

export type MatchingDeps = Pick<AuthorityContext, 'store' | 'clock' | 'clients' | 'connections' | 'locator' | 'baseUrl' | 'saml'>

/** Sessions that nothing has ended and that the subject means; of a complex one all members must match. */
export async function matchingSessions(deps: MatchingDeps, transmitter: TransmitterSettings, subject: SubjectIdentifier): Promise<readonly Session[]> {
  const members = subject.format === 'complex' ? [subject.user, subject.session].filter((member) => member !== undefined) : [subject]
  const [first = [], ...others] = await Promise.all(members.map((member) => sessionsOf(deps, transmitter, member)))
  const all = first.filter((session) => session.end === undefined && others.every((list) => list.some(({ id }) => id === session.id)))
  return [...new Map(all.map((session) => [session.id, session])).values()]
}

async function sessionsOf(deps: MatchingDeps, transmitter: TransmitterSettings, subject: SimpleSubject): Promise<readonly Session[]> {
  switch (subject.format) {
    case 'opaque':
      return byOpaque(deps, subject.id)
    case 'iss_sub':
      return byIssuer(deps, transmitter, subject.iss, subject.sub)
    case 'email':
      return byEmail(deps, subject.email)
  }
}

/** Our SRI, or the `sid` or SessionIndex of any partner. */
async function byOpaque(deps: MatchingDeps, id: string): Promise<readonly Session[]> {
  const own = deps.locator.open(ownPartner, id)
  const session = own === undefined ? undefined : await deps.store.getSession(own)
  if (session !== undefined) return [session]
  const found = await Promise.all(allPeers(deps).map((peerId) => deps.store.findByIndex(peerId, id)))
  return found.flatMap((one) => (one === undefined ? [] : [one.session]))
}

/** The name that an upstream provider gave us, or one that we gave to an application. */
async function byIssuer(deps: MatchingDeps, transmitter: TransmitterSettings, issuer: string, subject: string): Promise<readonly Session[]> {
  const peers = peersOfIssuer(deps, transmitter, issuer)
  const found = await Promise.all(peers.map((peerId) => deps.store.findByNameId(peerId, subject)))
  return found.flat().map(({ session }) => session)
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

/** Sessions looked at in one step. */
const pageMax = 200
/** Attributes that hold an address. */
const attributes = ['mail', 'email'] as const

/** There is no index of addresses: every live session is looked at. */
async function byEmail({ store, clock }: MatchingDeps, email: string): Promise<readonly Session[]> {
  const wanted = email.toLowerCase()
  const found: Session[] = []
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const page = await store.listSessions({ state: 'live', limit: pageMax, nowMs: clock.nowMs(), ...(cursor === undefined ? {} : { cursor }) })
    found.push(...page.items.map(({ session }) => session).filter((session) => emailsOf(session).includes(wanted)))
    cursor = page.nextCursor
  }
  return found
}

/** Addresses of a user, in lower case: attributes, and the user name when it is one. */
export function emailsOf({ attributes: known, username }: Pick<Session, 'attributes' | 'username'>): readonly string[] {
  return [...attributes.flatMap((name) => known[name] ?? []), ...(username.includes('@') ? [username] : [])].map((value) => value.toLowerCase())
}
