import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './oidc/ports.ts'
import { createUserAgent } from './oidc/user-agent.ts'
import type { Span } from './sign-ins-child.ts'

export const password = 'correct horse'
export const peopleMax = 64

const spanMs = 10_000
/** So long at the most the event loop may keep others waiting, p99. */
const loopMsMax = 20

/**
 * What sign-ins with a password do to everybody else at an authority: so many people at once, over HTTP, one sign-in after
 * the other, on SQLite. How late its event loop is, how long the thread pool keeps a look at a file waiting, and how long
 * the heartbeat takes to answer.
 */
export async function benchSignIns(): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-'))
  const port = await freePort()
  const child = fork(fileURLToPath(new URL('sign-ins-child.ts', import.meta.url)), [JSON.stringify({ folder, port })])
  const lines: string[] = []
  try {
    await once(child, 'message')
    const ask = async (): Promise<Span> => {
      child.send('span')
      return ((await once(child, 'message')) as [Span])[0]
    }
    await crowd(port, 4, 1_000)
    for (const people of [0, 8, peopleMax]) {
      await ask()
      const { count, heartbeats } = await crowd(port, people, spanMs)
      const { loop, pool } = await ask()
      const verdict = people === 0 ? '' : loop.p99 <= loopMsMax ? `; bar ${loopMsMax} ms met` : `; bar ${loopMsMax} ms MISSED`
      lines.push(
        `${people === 0 ? 'nobody signs in' : `${people} people at once`}: ${(count / (spanMs / 1_000)).toFixed(1)} sign-ins a second`,
        `  event loop late by p99 ${loop.p99.toFixed(1)} ms, at most ${loop.max.toFixed(0)} ms${verdict}`,
        `  a look at a file p50 ${pool.p50.toFixed(1)} ms, p99 ${pool.p99.toFixed(0)} ms, at most ${pool.max.toFixed(0)} ms`,
        `  heartbeat p50 ${at(heartbeats, 0.5).toFixed(1)} ms, p99 ${at(heartbeats, 0.99).toFixed(0)} ms`
      )
    }
  } finally {
    child.disconnect()
    await once(child, 'exit')
    await rm(folder, { recursive: true })
  }
  return ['Sign-ins with a password (argon2id, 19 MiB, 2 passes), and everybody else', ...lines]
}

/** People who sign in, each again and again in a new browser, until the time is over; and somebody who asks how it stands. */
async function crowd(port: number, people: number, ms: number): Promise<{ readonly count: number; readonly heartbeats: readonly number[] }> {
  const untilMs = performance.now() + ms
  const origin = `http://127.0.0.1:${port}`
  const heartbeats: number[] = []
  let count = 0
  const heart = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const startMs = performance.now()
      await (await fetch(`${origin}/pf/heartbeat.ping`)).text()
      heartbeats.push(performance.now() - startMs)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const person = async (i: number): Promise<void> => {
    while (performance.now() < untilMs) {
      await signIn(origin, `person${i}`)
      if (performance.now() < untilMs) count += 1
    }
  }
  await Promise.all([heart(), ...Array.from({ length: people }, (_, i) => person(i))])
  return { count, heartbeats: heartbeats.toSorted((a, b) => a - b) }
}

async function signIn(origin: string, username: string): Promise<void> {
  const agent = createUserAgent()
  const page = await agent.follow(`${origin}/`, 'http://nowhere.example/')
  const action = new URL(/<form[^>]*action="([^"]*)"/.exec(page.body)?.[1] ?? '', page.url)
  const csrfToken = /name="csrfToken" value="([^"]*)"/.exec(page.body)?.[1] ?? ''
  const sent = await agent.post(action.href, { csrfToken, username, password }, { origin })
  if (sent.status !== 303) throw new Error(`the sign-in of ${username} was answered with ${sent.status}`)
}

function at(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}
