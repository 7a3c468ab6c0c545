import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindingUri, type Endpoint, type PeerKeys, parseMetadata, verificationKeyFromCertificate } from '@curfew/codecs'
import { parse } from 'yaml'
import { type Authority, startAuthority } from '../../interop/harness/authority.ts'
import { freePorts } from '../../interop/harness/ports.ts'
import { get, type Programs } from '../../interop/harness/programs.ts'
import { simplesamlphpIdp } from '../../interop/simplesamlphp-idp/simplesamlphp-idp.ts'
import { createSelfSigned } from '../../packages/curfew/src/platform/certificate.ts'
import { systemRandom } from '../../packages/curfew/src/platform/random.ts'
import type { Applications } from './applications.ts'

/** One of the identity providers that are measured: the same journeys at each, told apart by their addresses only. */
export interface Provider {
  readonly name: string
  readonly ssoUrl: string
  readonly sloUrl: string
  readonly keys: PeerKeys
  /** Whoever runs with this folder belongs to it. */
  readonly folder: string
  readonly password: string
}

export interface Providers {
  readonly curfew: Provider
  readonly simplesamlphp: Provider
  /** Curfew starts anew with other endpoints of the same applications. */
  readonly restartWith: (binding: 'redirect' | 'soap') => Promise<void>
}

/** Both as servers of their own on this machine, with their sessions in SQLite, the same people and the same applications. */
export async function startProviders(folder: string, programs: Programs, applications: Applications, people: readonly string[]): Promise<Providers> {
  const [port = 0, adminPort = 0, peerPort = 0] = await freePorts(3)
  const authority = await startAuthority({ folder: join(folder, 'curfew'), port, adminPort, programs, users: people, hosts: [applications.host] })
  const restartWith: Providers['restartWith'] = async (binding) => {
    writeFileSync(join(authority.folder, 'peers/applications.xml'), applications.metadata(binding))
    await authority.restartWith(
      applications.all.map(({ id, entityId }) => ({
        id,
        name: id,
        protocol: 'saml',
        entityId,
        metadata: { file: 'peers/applications.xml' },
        // The browser of these figures shows no frames: it is led from one to the next, as by the other provider.
        frames: false,
        nameId: { format: 'persistent' }
      }))
    )
  }
  await restartWith('redirect')
  const rivalFolder = join(folder, 'simplesamlphp')
  mkdirSync(rivalFolder)
  const rival = await simplesamlphpIdp.launch({
    folder: rivalFolder,
    port: peerPort,
    programs,
    authorityMetadata: applications.metadata('redirect'),
    authorityUrl: applications.all[0]?.entityId ?? '',
    users: people
  })
  sameHash(rivalFolder, authority)
  await sameKeyLength(rivalFolder)
  return {
    curfew: providerOf('Curfew', authority.password, authority.baseUrl, await authority.metadata(), authority.folder),
    simplesamlphp: providerOf(`SimpleSAMLphp ${rival.version}`, authority.password, `${rival.origin}/idp`, await metadataAt(rival), rivalFolder),
    restartWith
  }
}

async function metadataAt({ identityProvider }: { readonly identityProvider: object }): Promise<string> {
  const { metadata } = identityProvider as { readonly metadata: { readonly url: string } }
  return (await get(metadata.url)).body
}

function providerOf(name: string, password: string, entityId: string, metadata: string, folder: string): Provider {
  const idp = parseMetadata(Buffer.from(metadata)).find((entity) => entity.entityId === entityId)?.idp
  const byRedirect = (endpoints: readonly Endpoint[] = []): string => endpoints.find(({ binding }) => binding === bindingUri('redirect'))?.location ?? ''
  const certificates = idp?.keys.filter(({ use }) => use !== 'encryption').flatMap((key) => key.certificates) ?? []
  return {
    name,
    ssoUrl: byRedirect(idp?.singleSignOnServices),
    sloUrl: byRedirect(idp?.singleLogoutServices),
    keys: { entityId, keys: certificates.map(verificationKeyFromCertificate) },
    folder,
    password
  }
}

/** The people of the other one, with the hash that Curfew made: checking it costs both the same. */
function sameHash(rivalFolder: string, authority: Authority): void {
  const { users } = parse(readFileSync(join(authority.folder, 'users.yaml'), 'utf8')) as { users: { username: string; password: string }[] }
  const people = users.map(({ username, password }) => `'${username}:${password}' => ['uid' => ['${username}'], 'mail' => ['${username}@example.com']]`)
  writeFileSync(join(rivalFolder, 'config/authsources.php'), `<?php\n$config = ['people' => ['authcrypt:Hash', ${people.join(', ')}]];\n`)
  const config = join(rivalFolder, 'config/config.php')
  writeFileSync(config, readFileSync(config, 'utf8').replace("'exampleauth' => true", "'authcrypt' => true"))
}

/** A key as long as that of Curfew, RSA-3072, in the place of its own: a signature by RSA-2048 costs a third. */
async function sameKeyLength(rivalFolder: string): Promise<void> {
  const { keyPem, certificatePem } = await createSelfSigned('idp.localhost', { fromMs: Date.now(), days: 30 }, systemRandom)
  writeFileSync(join(rivalFolder, 'cert/idp.key.pem'), keyPem)
  writeFileSync(join(rivalFolder, 'cert/idp.crt.pem'), certificatePem)
}

/** CPU of every process that was started with this folder, and of their children that have ended. */
export function cpuMsOf(folder: string): number {
  let ticks = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const started = readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8')
      if (!started.includes(folder)) continue
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      // utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
      for (const field of fields.slice(11, 15)) ticks += Number(field)
    } catch {
      // It has ended meanwhile.
    }
  }
  return ticks * 10
}
