import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import type { PeerKind, PeerPlace, RealPeer } from '../peer.ts'
import { npmVersion, startNode } from './node-program.ts'
import { type Program, untilAnswers } from './programs.ts'

/** An application on Node that signs people in by OpenID. */
export interface NodeClient {
  /** Also its client identifier and the first part of its host name. */
  readonly id: string
  readonly packageName: string
  readonly file: string
  readonly known: readonly string[]
}

/** Paths that every application of this kind has. */
const paths = { inside: '/app', outside: '/outside', callback: '/callback', logout: '/logout', backChannel: '/backchannel-logout' } as const

/** A relying party on an npm package, in a process of its own. */
export function nodeClientKind(client: NodeClient): PeerKind {
  const version = npmVersion(client.packageName)
  return {
    id: client.id,
    name: client.packageName,
    hosts: [`${client.id}.localhost`],
    missing: () => (version === undefined ? `${client.packageName} is not installed` : undefined),
    launch: (place) => launch(client, version ?? 'unknown', place)
  }
}

async function launch(client: NodeClient, version: string, place: PeerPlace): Promise<RealPeer> {
  const { folder, port, programs } = place
  const origin = `http://${client.id}.localhost:${port}`
  const clientSecret = randomBytes(24).toString('base64url')
  mkdirSync(folder, { recursive: true })
  const environment = {
    PORT: String(port),
    BASE_URL: origin,
    ISSUER: place.authorityEntityId,
    CLIENT_ID: client.id,
    CLIENT_SECRET: clientSecret,
    SESSION_SECRET: randomBytes(24).toString('base64url')
  }
  let program: Program | undefined
  const start = async (): Promise<void> => {
    program = startNode(programs, { name: client.packageName, folder, file: client.file, environment })
    await untilAnswers(program, origin + paths.outside)
  }
  await start()
  return {
    id: client.id,
    name: client.packageName,
    version: `${version} (Node ${process.versions.node})`,
    origin,
    protectedUrl: origin + paths.inside,
    insideMark: `Inside ${client.id}`,
    signOutUrl: origin + paths.logout,
    outsideMark: `Outside of ${client.id}`,
    logoutUrl: origin + paths.backChannel,
    client: {
      // Each has its own name for the user, so that the journeys can tell names apart.
      settings: { clientSecret, redirectUris: [origin + paths.callback], postLogoutRedirectUris: [origin + paths.outside], subject: 'pairwise' },
      logout: { 'back-channel': { modes: ['backChannel'], backChannelUri: origin + paths.backChannel } }
    },
    isMuteBySoap: false,
    known: ['Its sessions are in memory: it forgets them when it stops.', ...client.known],
    statusShown: () => undefined,
    start,
    stop: async () => program?.stop(),
    hang: () => program?.signal('SIGSTOP'),
    goOn: () => program?.signal('SIGCONT')
  }
}
