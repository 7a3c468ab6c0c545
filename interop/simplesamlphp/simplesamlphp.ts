import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apacheProgram, giveToApache, packageVersion, startApache } from '../harness/apache.ts'
import { writeKeyPair } from '../harness/key-pair.ts'
import { startNameProxy } from '../harness/name-proxy.ts'
import { type Program, untilAnswers } from '../harness/programs.ts'
import type { PeerKind, PeerPlace, RealPeer } from '../peer.ts'

const ownFolder = import.meta.dirname
const modules = '/usr/lib/apache2/modules'

/** SimpleSAMLphp as service provider, with its sessions in SQLite. */
export const simplesamlphp: PeerKind = {
  id: 'simplesamlphp',
  name: 'SimpleSAMLphp',
  hosts: ['ssp.localhost'],
  missing() {
    if (!existsSync('/usr/share/simplesamlphp/www/module.php')) return 'simplesamlphp is not installed'
    if (!existsSync(apacheProgram)) return 'apache2 is not installed'
    return phpModule() === undefined ? 'libapache2-mod-php is not installed' : undefined
  },
  launch
}

export function phpModule(): string | undefined {
  const found = existsSync(modules) ? readdirSync(modules).find((name) => /^libphp[\d.]*\.so$/.test(name)) : undefined
  return found === undefined ? undefined : join(modules, found)
}

async function launch(place: PeerPlace): Promise<RealPeer> {
  const { folder, port, programs } = place
  const origin = `http://ssp.localhost:${port}`
  for (const name of ['cert', 'log', 'data', 'tmp', 'metadata']) mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['config', 'www']) cpSync(join(ownFolder, name), join(folder, name), { recursive: true })
  writeKeyPair(join(folder, 'cert'), 'sp', 'ssp.localhost')
  writeFileSync(join(folder, 'metadata/authority.xml'), place.authorityMetadata)
  giveToApache(folder)
  const environment = {
    HOST: 'ssp.localhost',
    USERS: '',
    PORT: String(port),
    PHP_MODULE: phpModule() ?? '',
    AUTHORITY: place.authorityEntityId,
    NAME_PROXY: String(await startNameProxy()),
    SECRET: randomBytes(24).toString('hex')
  }
  const metadataUrl = `${origin}/simplesaml/module.php/saml/sp/metadata.php/curfew`
  let program: Program | undefined
  const start = async (): Promise<void> => {
    program = startApache(programs, { name: 'SimpleSAMLphp', folder, config: join(ownFolder, 'httpd.conf'), environment })
    await untilAnswers(program, metadataUrl)
  }
  await start()
  return {
    id: 'simplesamlphp',
    name: 'SimpleSAMLphp',
    version: `${packageVersion('simplesamlphp') ?? 'unknown'} (PHP ${packageVersion('php8.2-cli') ?? packageVersion('php-cli') ?? 'unknown'})`,
    origin,
    protectedUrl: `${origin}/index.php`,
    insideMark: 'Inside SimpleSAMLphp',
    signOutUrl: `${origin}/logout.php`,
    outsideMark: 'Outside of SimpleSAMLphp',
    logoutUrl: `${origin}/simplesaml/module.php/saml/sp/saml2-logout.php/curfew`,
    artifactEntityId: `${origin}/sp`,
    isMuteBySoap: true,
    known: [
      'A LogoutRequest by SOAP ends the session, but PHP stops before the answer (`saml2-logout.php` calls `setDestination` with an array), so an error page comes instead. Without its word the run asks again through the browser.',
      'It answers Success also when it found no session to end.'
    ],
    metadata: { url: metadataUrl },
    statusShown: (page) => /id="status">([^<]*)</.exec(page)?.[1],
    start,
    stop: async () => program?.stop(),
    hang: () => program?.signal('SIGSTOP'),
    goOn: () => program?.signal('SIGCONT')
  }
}
