import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) endGroup(child)
})

/**
 * Starts a program of this process and all that it starts as a group of their own, which ends with this process: a test
 * runner that is stopped leaves the processes of its files behind.
 */
export function startRunner(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(program, args, { ...options, detached: true })
  running.add(child)
  child.on('exit', () => {
    running.delete(child)
    // What a file left behind.
    endGroup(child)
  })
  return child
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing of it is there any more.
  }
}
