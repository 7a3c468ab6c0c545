import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apacheProgram, giveToApache, packageVersion, startApache } from '../harness/apache.ts'
import { writeKeyPair } from '../harness/key-pair.ts'
import { type Program, untilAnswers } from '../harness/programs.ts'
import type { PeerKind, PeerPlace, RealPeer } from '../peer.ts'

const module = '/usr/lib/apache2/modules/mod_auth_mellon.so'
const ownFolder = import.meta.dirname

/** mod_auth_mellon: the SAML service provider module of Apache, on lasso. */
export const mellon: PeerKind = {
  id: 'mellon',
  name: 'mod_auth_mellon',
  hosts: ['mellon.localhost'],
  missing() {
    if (!existsSync(apacheProgram)) return 'apache2 is not installed'
    return existsSync(module) ? undefined : 'libapache2-mod-auth-mellon is not installed'
  },
  launch
}

async function launch(place: PeerPlace): Promise<RealPeer> {
  const { folder, port, programs } = place
  const origin = `http://mellon.localhost:${port}`
  mkdirSync(folder, { recursive: true })
  cpSync(join(ownFolder, 'www'), join(folder, 'www'), { recursive: true })
  writeKeyPair(folder, 'sp', 'mellon.localhost')
  writeFileSync(join(folder, 'authority.xml'), place.authorityMetadata)
  giveToApache(folder)
  let program: Program | undefined
  const start = async (): Promise<string> => {
    program = startApache(programs, { name: 'mod_auth_mellon', folder, config: join(ownFolder, 'httpd.conf'), environment: { PORT: String(port) } })
    return untilAnswers(program, `${origin}/mellon/metadata`)
  }
  const metadata = await start()
  return {
    id: 'mellon',
    name: 'mod_auth_mellon',
    version: `${packageVersion('libapache2-mod-auth-mellon') ?? 'unknown'} (Apache ${packageVersion('apache2') ?? 'unknown'}, lasso ${packageVersion('liblasso3') ?? 'unknown'})`,
    origin,
    protectedUrl: `${origin}/app/`,
    insideMark: 'Inside mellon',
    signOutUrl: `${origin}/mellon/logout?ReturnTo=${encodeURIComponent(`${origin}/index.html`)}`,
    outsideMark: 'Outside of mellon',
    logoutUrl: `${origin}/mellon/logout`,
    metadata: { text: metadata },
    artifactEntityId: `${origin}/mellon`,
    isMuteBySoap: false,
    known: [
      'Its sessions are in shared memory: it forgets them when it stops.',
      'Asked to end a session that it does not know any more, it answers Responder > RequestDenied and not UnknownPrincipal. The run then says `refused`, which is less than the truth.',
      'The cookie test of its sign-in sends SameSite=None without Secure when it runs without TLS, which browsers refuse; MELLON_DISABLE_SAMESITE is set here.'
    ],
    statusShown: () => undefined,
    start: async () => void (await start()),
    stop: async () => program?.stop(),
    hang: () => program?.signal('SIGSTOP'),
    goOn: () => program?.signal('SIGCONT')
  }
}
