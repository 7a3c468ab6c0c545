import { startAuthority } from './gateway-feed.ts'
import { revokedSri } from './revoked-sri.ts'

/** An authority in a process of its own, as its one argument says; answers questions about itself. */
export interface AuthorityChildOptions {
  readonly folder: string
  readonly port: number
  /** Absent: the store is SQLite in the folder. */
  readonly redisSocket?: string
}

/** What it is asked, or told to do. */
export type AuthorityQuestion = 'memory' | 'look-ups' | { readonly fill: number }

/** Look-ups that are timed. */
const lookUps = 5_000

/** Revocations that are under way at once. */
const fillers = 256

const { folder, port, redisSocket } = JSON.parse(process.argv[2] ?? '{}') as AuthorityChildOptions
const authority = await startAuthority(folder, port, redisSocket)
process.on('message', (question) => void answer(question as AuthorityQuestion))
process.on('disconnect', () => void authority.stop().then(() => process.exit()))
process.send?.('ready')

async function answer(question: AuthorityQuestion): Promise<void> {
  if (question === 'memory') {
    globalThis.gc?.()
    process.send?.(process.memoryUsage().rss)
  } else if (question === 'look-ups') {
    const nowMs = Date.now()
    const startMs = performance.now()
    for (let i = 0; i < lookUps; i++) await authority.store.isRevoked(`revoked ${i}`, nowMs)
    process.send?.(((performance.now() - startMs) * 1_000) / lookUps)
  } else {
    const startMs = performance.now()
    await fill(question.fill)
    process.send?.(performance.now() - startMs)
  }
}

/** The way of every revocation: through the store, one after the other in each of many callers. */
async function fill(entries: number): Promise<void> {
  const nowMs = Date.now()
  let next = 0
  const filler = async (): Promise<void> => {
    while (next < entries) {
      const i = next++
      await authority.store.revoke(revokedSri(i), nowMs + 3_600_000 + i, nowMs)
    }
  }
  await Promise.all(Array.from({ length: fillers }, filler))
}
