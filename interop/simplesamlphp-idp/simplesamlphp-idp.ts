import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { giveToApache, packageVersion, startApache } from '../harness/apache.ts'
import { writeKeyPair } from '../harness/key-pair.ts'
import { type Program, untilAnswers } from '../harness/programs.ts'
import { phpModule, simplesamlphp } from '../simplesamlphp/simplesamlphp.ts'
import type { RealUpstream, UpstreamKind } from '../upstream/upstream.ts'

const ownFolder = import.meta.dirname
const host = 'idp.localhost'

/** SimpleSAMLphp as identity provider, with its people in its own configuration. */
export const simplesamlphpIdp: UpstreamKind = {
  id: 'campus',
  name: 'SimpleSAMLphp',
  host,
  missing: () => simplesamlphp.missing(),
  launch
}

async function launch({ folder, port, programs, authorityMetadata, users }: Parameters<UpstreamKind['launch']>[0]): Promise<RealUpstream> {
  const origin = `http://${host}:${port}`
  for (const name of ['cert', 'log', 'data', 'tmp', 'metadata']) mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['config', 'www']) cpSync(join(ownFolder, name), join(folder, name), { recursive: true })
  writeKeyPair(join(folder, 'cert'), 'idp', host)
  writeFileSync(join(folder, 'metadata/authority.xml'), authorityMetadata)
  writeFileSync(join(folder, 'metadata/saml20-idp-hosted.php'), hostedMetadata(`${origin}/idp`))
  const password = randomBytes(24).toString('hex')
  giveToApache(folder)
  const environment = { HOST: host, USERS: users.join(' '), PORT: String(port), PHP_MODULE: phpModule() ?? '', AUTHORITY: '', SECRET: password, NAME_PROXY: '' }
  const metadataUrl = `${origin}/simplesaml/saml2/idp/metadata.php`
  let program: Program | undefined
  const start = async (): Promise<void> => {
    const config = join(import.meta.dirname, '../simplesamlphp/httpd.conf')
    program = startApache(programs, { name: 'SimpleSAMLphp, identity provider', folder, config, environment })
    await untilAnswers(program, metadataUrl)
  }
  await start()
  return {
    id: 'campus',
    name: 'SimpleSAMLphp',
    version: packageVersion('simplesamlphp') ?? 'unknown',
    origin,
    hasLogout: true,
    protectedUrl: `${origin}/index.php`,
    insideMark: 'Inside the identity provider',
    signOutUrl: `${origin}/simplesaml/saml2/idp/initSLO.php?RelayState=${encodeURIComponent(`${origin}/outside.php`)}`,
    outsideMark: 'Outside of the identity provider',
    identityProvider: { protocol: 'saml', metadata: { url: metadataUrl }, username: 'uid', attributes: { mail: 'mail' } },
    async signIn({ page }, user) {
      await page.fill('input[name=username]', user)
      await page.fill('input[name=password]', password)
      await page.press('input[name=password]', 'Enter')
    },
    signInMark: 'name="password"',
    start,
    stop: async () => program?.stop()
  }
}

function hostedMetadata(entityId: string): string {
  return `<?php
$metadata['${entityId}'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key.pem',
    'certificate' => 'idp.crt.pem',
    'auth' => 'people',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'sign.logout' => true,
    'validate.logout' => true,
    'redirect.sign' => true,
    'redirect.validate' => true,
    'saml20.sendartifact' => true,
];
`
}
