import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { stringify } from 'yaml'
import { createServer as createCurfew } from '../packages/curfew/src/cli/embed.ts'
import { createSelfSigned } from '../packages/curfew/src/platform/certificate.ts'
import { silentLogger } from '../packages/curfew/src/platform/logger.ts'
import { hashPassword } from '../packages/curfew/src/platform/password.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { password, peopleMax } from './sign-ins.ts'

/** What an authority was like from one question to the next. */
export interface Span {
  /** How late timers of its event loop came, in milliseconds. */
  readonly loop: { readonly p50: number; readonly p99: number; readonly max: number }
  /** How long a look at a file took, which is work of the thread pool, as the look-up of a name is. */
  readonly pool: { readonly p50: number; readonly p99: number; readonly max: number }
}

/** An authority in a process of its own, which looks at itself meanwhile. */
const { folder, port } = JSON.parse(process.argv[2] ?? '{}') as { readonly folder: string; readonly port: number }
const own = await createSelfSigned('bench', { fromMs: Date.now(), days: 1 }, systemRandom)
await writeFile(join(folder, 'key.pem'), own.keyPem)
await writeFile(join(folder, 'cert.pem'), own.certificatePem)
await writeFile(join(folder, 'secret'), Buffer.alloc(32, 7).toString('base64'))
const hash = await hashPassword(password, systemRandom)
const users = Array.from({ length: peopleMax }, (_, i) => ({ username: `person${i}`, password: hash }))
await writeFile(join(folder, 'users.yaml'), stringify({ users }))
const authority = await createCurfew(
  {
    server: { baseUrl: `http://127.0.0.1:${port}`, listen: [`127.0.0.1:${port}`] },
    admin: { listen: ['127.0.0.1:0'], token: '0123456789abcdef' },
    store: { kind: 'sqlite', file: join(folder, 'curfew.db') },
    saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem' }] },
    sessions: { secretFile: 'secret' },
    signOn: { users: 'users.yaml' }
  },
  { folder, logger: silentLogger }
)
await authority.start()

const loop = monitorEventLoopDelay({ resolution: 1 })
loop.enable()
let looks: number[] = []
const looking = setInterval(() => {
  const startMs = performance.now()
  void stat(folder).then(() => looks.push(performance.now() - startMs))
}, 10)
process.on('message', () => {
  const sorted = looks.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
  const span: Span = {
    loop: { p50: loop.percentile(50) / 1e6, p99: loop.percentile(99) / 1e6, max: loop.max / 1e6 },
    pool: { p50: at(0.5), p99: at(0.99), max: at(1) }
  }
  loop.reset()
  looks = []
  process.send?.(span)
})
process.on('disconnect', () => {
  clearInterval(looking)
  void authority.stop().then(() => process.exit())
})
process.send?.('ready')
