import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Composition } from '../../src/cli/compose.ts'
import { createServer as createCurfew } from '../../src/cli/embed.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { hashPassword } from '../../src/platform/password.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'

export interface RealAuthorityOptions {
  readonly issuer: string
  readonly port: number
  /** All with the password `correct horse` and a mail address of example.org. */
  readonly usernames: readonly string[]
  readonly connections: NonNullable<ConfigInput['connections']>
  readonly configuration?: ((config: ConfigInput) => ConfigInput) | undefined
}

/** An authority as an operator would start it, on this machine, with files of its own. */
export interface RealAuthority extends AsyncDisposable {
  readonly composition: Composition
  /** Gives the first user another mail address in the users file. */
  changeMail(mail: string): Promise<void>
  /** Ends every session, as an administrator does. */
  endAll(): Promise<void>
  /** Once; the files stay. */
  stop(): Promise<void>
}

export async function startRealAuthority({ issuer, port, usernames, connections, configuration }: RealAuthorityOptions): Promise<RealAuthority> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-authority-'))
  const own = makeKeyPair('curfew')
  await writeFile(join(folder, 'key.pem'), own.key.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(folder, 'cert.pem'), own.certificatePem)
  await writeFile(join(folder, 'secret'), Buffer.alloc(32, 7).toString('base64'))
  const password = await hashPassword('correct horse', systemRandom)
  const writeUsers = (firstMail?: string): Promise<void> => {
    const users = usernames.map((username, i) => ({
      username,
      password,
      attributes: { mail: (i === 0 ? firstMail : undefined) ?? `${username}@example.org` }
    }))
    return writeFile(join(folder, 'users.yaml'), JSON.stringify({ users }))
  }
  await writeUsers()
  const config: ConfigInput = {
    server: { baseUrl: issuer, listen: [`127.0.0.1:${port}`] },
    admin: { listen: ['127.0.0.1:0'], token: '0123456789abcdef' },
    store: { kind: 'memory' },
    saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem', algorithm: 'ecdsa-sha256' }] },
    sessions: { secretFile: 'secret' },
    signOn: { users: 'users.yaml' },
    outbound: { allowPrivate: ['127.0.0.0/8'] },
    connections
  }
  const composition = await createCurfew(configuration?.(config) ?? config, { folder, logger: silentLogger })
  await composition.start()
  let isUp = true
  const stop = async (): Promise<void> => {
    if (isUp) await composition.stop()
    isUp = false
  }
  return {
    composition,
    stop,
    changeMail: writeUsers,
    async endAll() {
      const { items } = await composition.store.listSessions({ state: 'live', limit: 100, nowMs: Temporal.Now.instant().epochMilliseconds })
      await composition.engine.endSessions({
        scope: { kind: 'sessions', sessionIds: items.map(({ session }) => session.id) },
        reason: 'admin',
        by: { kind: 'admin', id: 'test' },
        starter: { kind: 'none' },
        browser: 'absent'
      })
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(folder, { recursive: true })
    }
  }
}
