import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CurfewError } from '@curfew/codecs'
import { createSelfSigned } from '../platform/certificate.ts'
import { systemClock } from '../platform/clock.ts'
import { systemRandom } from '../platform/random.ts'
import { writeInstallation } from './commands/init.ts'
import { type DemoModule, loadDemo } from './demo-applications.ts'
import { demoMetadata, logoutPaths } from './demo-metadata.ts'

export type RunningApplications = Awaited<ReturnType<DemoModule['startDemoApplications']>>
type DemoApplication = RunningApplications['applications'][number]

/** Good enough for what never leaves this machine, and the demo is there a second earlier. */
export const demoKeyBits = 2_048

/** Keys, users and settings in a folder of its own, once. */
export async function prepareDemo(folder: string, baseUrl: string): Promise<void> {
  if (!existsSync(join(folder, 'keys')))
    await writeInstallation(folder, { baseUrl, organisation: 'Curfew demo', user: 'ana', password: 'ana', keyBits: demoKeyBits })
  mkdirSync(join(folder, 'peers'), { recursive: true })
}

/** Starts the applications of the demo, which trust the authority in this folder, and leaves their metadata there. */
export async function startApplications(folder: string, baseUrl: string, basePort: number): Promise<RunningApplications> {
  const { startDemoApplications } = await loadDemo()
  const running = await startDemoApplications({
    basePort,
    identityProviderMetadata: demoMetadata(folder, baseUrl),
    pingOneMetadata: demoMetadata(folder, baseUrl, logoutPaths.pingOne),
    issuer: baseUrl,
    credentials: (id) => credentials(folder, id),
    clientSecret: (id) => clientSecret(folder, id)
  }).catch(explainTaken)
  for (const { id, connection } of running.applications)
    if (connection.protocol === 'saml') writeFileSync(join(folder, 'peers', `${id}.xml`), connection.metadata)
  return running
}

/** @throws CURFEW_CLI_ADDRESS_IN_USE for what the system says about a port */
export function explainTaken(cause: unknown): never {
  const { code, address, port } = cause as { readonly code?: string; readonly address?: string; readonly port?: number }
  if (code === undefined || port === undefined) throw cause
  throw new CurfewError('CURFEW_CLI_ADDRESS_IN_USE', { address: `${address ?? ''}:${port}`, why: code }, { cause })
}

async function credentials(folder: string, id: string): Promise<{ readonly keyPem: string; readonly certificatePem: string }> {
  const at = (name: string): string => join(folder, 'keys', `${id}.${name}.pem`)
  if (!existsSync(at('key'))) {
    const pair = await createSelfSigned(`${id}.localhost`, { fromMs: systemClock.nowMs(), days: 3_650 }, systemRandom, demoKeyBits)
    writeFileSync(at('key'), pair.keyPem, { mode: 0o600 })
    writeFileSync(at('crt'), pair.certificatePem, { mode: 0o600 })
  }
  return { keyPem: readFileSync(at('key'), 'utf8'), certificatePem: readFileSync(at('crt'), 'utf8') }
}

function clientSecret(folder: string, id: string): string {
  const file = join(folder, 'keys', `${id}.client-secret`)
  if (!existsSync(file)) writeFileSync(file, Buffer.from(systemRandom.bytes(32)).toString('base64url'), { mode: 0o600 })
  return readFileSync(file, 'utf8')
}

/** What every authority of a demo has in its configuration; addresses and store are the caller's. */
export function demoSettings({ applications }: Pick<RunningApplications, 'applications'>) {
  return {
    saml: { keys: [{ key: 'keys/saml.key.pem', certificate: 'keys/saml.crt.pem' }] },
    sessions: { secretFile: 'keys/session.secret', persistent: true },
    signOn: { users: 'users.yaml' },
    outbound: { allowPrivate: ['127.0.0.0/8', '::1/128'] },
    brand: { organisation: 'Curfew demo' },
    connections: applications.map(connectionOf)
  }
}

function connectionOf({ id, name, url, connection }: DemoApplication): object {
  const shown = { id, name, homeUrl: `${url}/` }
  if (connection.protocol === 'oidc') {
    const { clientSecret: _secret, ...settings } = connection
    return { ...shown, ...settings, clientSecret: `\${file:keys/${id}.client-secret}` }
  }
  if (connection.protocol === 'opentoken') return { ...shown, ...connection, password: `\${file:keys/${id}.client-secret}` }
  return {
    ...shown,
    protocol: 'saml',
    metadata: { file: `peers/${id}.xml` },
    nameId: { format: 'persistent' },
    attributes: { mail: 'mail' },
    ...(id === 'payroll' ? { frames: true } : {})
  }
}
