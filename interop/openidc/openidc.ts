import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { apacheProgram, giveToApache, packageVersion, startApache } from '../harness/apache.ts'
import { type Program, untilAnswers } from '../harness/programs.ts'
import type { PeerKind, PeerPlace, RealPeer } from '../peer.ts'

const module = '/usr/lib/apache2/modules/mod_auth_openidc.so'
const ownFolder = import.meta.dirname

/** mod_auth_openidc: the OpenID relying party module of Apache. */
export const openidc: PeerKind = {
  id: 'openidc',
  name: 'mod_auth_openidc',
  hosts: ['openidc.localhost'],
  missing() {
    if (!existsSync(apacheProgram)) return 'apache2 is not installed'
    return existsSync(module) ? undefined : 'libapache2-mod-auth-openidc is not installed'
  },
  launch: (place) => launch(place, 'shm')
}

/** The same, with its sessions in files: they can be counted from outside, and outlive a restart. */
export interface OpenidcWithFiles extends RealPeer {
  /** Names of the sessions in its cache now. */
  sessionsCached(): ReadonlySet<string>
}

export async function launchOpenidcWithFiles(place: PeerPlace): Promise<OpenidcWithFiles> {
  const peer = await launch(place, 'file')
  const kept = join(place.folder, 'cache')
  return { ...peer, sessionsCached: () => new Set(readdirSync(kept).filter((name) => name.startsWith(sessionFiles))) }
}

/** How the module begins the name of a file that holds a session. */
const sessionFiles = 'mod-auth-openidc-s-'

async function launch(place: PeerPlace, cache: 'shm' | 'file'): Promise<RealPeer> {
  const { folder, port, programs } = place
  const origin = `http://openidc.localhost:${port}`
  const redirect = `${origin}/app/redirect_uri`
  const clientSecret = randomBytes(24).toString('base64url')
  mkdirSync(join(folder, 'cache'), { recursive: true })
  cpSync(join(ownFolder, 'www'), join(folder, 'www'), { recursive: true })
  giveToApache(folder)
  const environment = {
    PORT: String(port),
    ISSUER: place.authorityEntityId,
    CLIENT_SECRET: clientSecret,
    CRYPTO: randomBytes(24).toString('base64url'),
    CACHE: cache
  }
  let program: Program | undefined
  const start = async (): Promise<void> => {
    program = startApache(programs, { name: 'mod_auth_openidc', folder, config: join(ownFolder, 'httpd.conf'), environment })
    await untilAnswers(program, `${origin}/index.html`)
  }
  await start()
  const backChannelUri = `${redirect}?logout=backchannel`
  return {
    id: 'openidc',
    name: 'mod_auth_openidc',
    version: `${packageVersion('libapache2-mod-auth-openidc') ?? 'unknown'} (Apache ${packageVersion('apache2') ?? 'unknown'})`,
    origin,
    protectedUrl: `${origin}/app/`,
    insideMark: 'Inside openidc',
    signOutUrl: `${redirect}?logout=${encodeURIComponent(`${origin}/index.html`)}`,
    outsideMark: 'Outside of openidc',
    logoutUrl: backChannelUri,
    client: {
      settings: { clientSecret, redirectUris: [redirect], postLogoutRedirectUris: [`${origin}/index.html`] },
      logout: {
        'back-channel': { modes: ['backChannel'], backChannelUri },
        'front-channel': { modes: ['frontChannel'], frontChannelUris: [`${redirect}?logout=get`] }
      }
    },
    isMuteBySoap: false,
    known: [
      cache === 'shm' ? 'Its sessions are in shared memory: it forgets them when it stops.' : 'Its sessions are in files: they outlive a restart.',
      'In a frame it finds its session by `iss` and `sid`, without its cookie: the front channel works where third-party cookies are refused, too.'
    ],
    statusShown: () => undefined,
    start,
    stop: async () => program?.stop(),
    hang: () => program?.signal('SIGSTOP'),
    goOn: () => program?.signal('SIGCONT')
  }
}
