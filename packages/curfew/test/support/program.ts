import { spawn } from 'node:child_process'
import { connect } from 'node:net'

/** A system program that listens. */
export interface ListeningProgram extends AsyncDisposable {
  readonly pid: number
}

interface Wish {
  readonly port: number
  /** The Debian package that brings it. */
  readonly from: string
  /** It says much on standard error while all is well: heard of only where it does not start. */
  readonly isQuiet?: true
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a program that stays in the foreground, and waits until it listens. */
export async function startProgram(name: string, args: readonly string[], wish: Wish): Promise<ListeningProgram> {
  const { isQuiet = false, env = {} } = wish
  const child = spawn(name, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', isQuiet ? 'pipe' : 'inherit'] })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)))
  const failed = new Promise<never>((_, reject) => child.once('error', () => reject(new Error(`${name} (Debian: ${wish.from}) must be on the path`))))
  const ended = new Promise<never>((_, reject) => child.once('close', () => reject(new Error(`${name} ended at once. ${said}`))))
  ended.catch(() => undefined)
  await Promise.race([failed, ended, untilListening(name, wish.port)])
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const isOver = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await isOver
    }
  }
}

async function untilListening(name: string, port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`${name} does not listen`)
}
