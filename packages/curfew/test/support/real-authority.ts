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
import { oneAfterTheOther } from '../authority/joined-nodes.ts'
import { storeSeen } from '../authority/store-seen.ts'
import { noteStart } from './modes.ts'
import { realNodes, settle } from './real-nodes.ts'
import { startTurns } from './turns.ts'

export interface RealAuthorityOptions {
  readonly issuer: string
  readonly port: number
  /** All with the password `correct horse` and a mail address of example.org. */
  readonly usernames: readonly string[]
  readonly connections: NonNullable<ConfigInput['connections']>
  readonly configuration?: ((config: ConfigInput) => ConfigInput) | undefined
}

/**
 * An authority as an operator would start it, on this machine, with files of its own. Where the run of the tests has a mode:
 * all its nodes, with a balancer before them.
 */
export interface RealAuthority extends AsyncDisposable {
  /** Of several nodes the first, with the stores of all of them. */
  readonly composition: Composition
  /** Gives the first user another mail address in the users file. */
  changeMail(mail: string): Promise<void>
  /** Ends every session, as an administrator does. */
  endAll(): Promise<void>
  /** Once; the files stay. */
  stop(): Promise<void>
}

export async function startRealAuthority({ issuer, port, usernames, connections, configuration }: RealAuthorityOptions): Promise<RealAuthority> {
  noteStart()
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
  const { nodes, groups } = await realNodes(port, folder)
  const config: ConfigInput = {
    server: { baseUrl: issuer, listen: [`127.0.0.1:${port}`] },
    admin: { listen: ['127.0.0.1:0'], token: '0123456789abcdef' },
    saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem', algorithm: 'ecdsa-sha256' }] },
    sessions: { secretFile: 'secret' },
    signOn: { users: 'users.yaml' },
    outbound: { allowPrivate: ['127.0.0.0/8'] },
    connections
  }
  const wanted = configuration?.(config) ?? config
  await using started = new AsyncDisposableStack()
  started.defer(() => rm(folder, { recursive: true }))
  const running = started.use(new AsyncDisposableStack())
  const compositions: Composition[] = []
  for (const { listen, store, cluster } of nodes) {
    const { gateway, ...others } = wanted
    const own: ConfigInput = {
      ...others,
      server: { ...wanted.server, listen: [listen] },
      store: wanted.store ?? store,
      ...(cluster === undefined ? {} : { cluster: { ...cluster, ...wanted.cluster } }),
      // It listens at a port of its own, which one process can have.
      ...(gateway === undefined || compositions.length > 0 ? {} : { gateway })
    }
    const composition = await createCurfew(own, { folder, logger: silentLogger })
    running.defer(() => composition.stop())
    compositions.push(composition)
  }
  // Groups read each other before they serve.
  await Promise.all(compositions.map((composition) => composition.start()))
  const stores = compositions.map((one) => one.store)
  const told = groups === 'shared' ? async (): Promise<void> => undefined : oneAfterTheOther(() => settle(stores))
  if (nodes.length > 1)
    running.use(
      // A browser stays in the region it came to.
      await startTurns({ port, targets: nodes.map(({ listen }) => Number(listen.split(':')[1])), before: told, sticks: groups === 'regions' })
    )
  const [first] = compositions
  if (first === undefined) throw new Error('this mode has no nodes')
  const seen = storeSeen(stores, { groups, settle: told })
  const reloadCertificates = (): void => compositions.forEach((one) => one.reloadCertificates())
  const composition: Composition = nodes.length === 1 ? first : { ...first, store: seen, reloadCertificates }
  const parts = started.move()
  return {
    composition,
    stop: () => running.disposeAsync(),
    changeMail: writeUsers,
    async endAll() {
      await told()
      // A subcluster knows its own sessions; everybody else knows all.
      for (const { engine, store: own } of groups === 'subclusters' ? compositions : [first]) {
        const { items } = await own.listSessions({ state: 'live', limit: 100, nowMs: Temporal.Now.instant().epochMilliseconds })
        await engine.endSessions({
          scope: { kind: 'sessions', sessionIds: items.map(({ session }) => session.id) },
          reason: 'admin',
          by: { kind: 'admin', id: 'test' },
          starter: { kind: 'none' },
          browser: 'absent'
        })
      }
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync()
  }
}
