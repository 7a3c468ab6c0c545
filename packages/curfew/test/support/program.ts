import { spawn } from 'node:child_process'
import { connect } from 'node:net'

/** A system program that listens. */
export interface ListeningProgram extends AsyncDisposable {
  readonly pid: number
}

/** Starts a program that stays in the foreground, and waits until it listens. */
export async function startProgram(name: string, args: readonly string[], wish: { readonly port: number; readonly from: string }): Promise<ListeningProgram> {
  const child = spawn(name, args, { stdio: 'inherit' })
  const failed = new Promise<never>((_, reject) => child.once('error', () => reject(new Error(`${name} (Debian: ${wish.from}) must be on the path`))))
  await Promise.race([failed, untilListening(name, wish.port)])
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
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
