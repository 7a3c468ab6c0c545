import { startAuthority } from './gateway-feed.ts'

/** An authority in a process of its own, as its one argument says; answers questions about itself. */
export interface AuthorityChildOptions {
  readonly folder: string
  readonly port: number
}

/** Look-ups that are timed. */
const lookUps = 5_000

const { folder, port } = JSON.parse(process.argv[2] ?? '{}') as AuthorityChildOptions
const authority = await startAuthority(folder, port)
process.on('message', (question) => void answer(question))
process.on('disconnect', () => void authority.stop().then(() => process.exit()))
process.send?.('ready')

async function answer(question: unknown): Promise<void> {
  if (question === 'memory') {
    globalThis.gc?.()
    process.send?.(process.memoryUsage().rss)
  } else {
    const nowMs = Date.now()
    const startMs = performance.now()
    for (let i = 0; i < lookUps; i++) await authority.store.isRevoked(`revoked ${i}`, nowMs)
    process.send?.(((performance.now() - startMs) * 1_000) / lookUps)
  }
}
