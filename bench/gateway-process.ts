import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { followerConfig, type FollowerOptions, followerSecret } from './gateway-follower.ts'
import { installedCurfew } from './installed.ts'
import { cpuSecondsOf } from './process-cpu.ts'
import { memoryOf, type ProcessMemory } from './process-memory.ts'

/** A gateway as it is installed: `curfew gateway` and its file, nothing of the measurement in its process. */
export interface GatewayProcess extends AsyncDisposable {
  /** Revoked sessions that it knows of; 0 while it does not listen yet. */
  revoked(): Promise<number>
  memory(): ProcessMemory
  cpuSeconds(): number
}

/**
 * @param folder - for its file and its secret
 * @param program - another build of the command than that of this tree
 */
export async function startGatewayProcess(folder: string, options: FollowerOptions, program = installedCurfew()): Promise<GatewayProcess> {
  const file = join(folder, `gateway-${options.port}.yaml`)
  const { gateway, ...rest } = followerConfig(options)
  await writeFile(join(folder, 'gateway.secret'), Buffer.from(followerSecret).toString('base64'))
  // JSON is YAML.
  await writeFile(
    file,
    JSON.stringify({ ...rest, logging: { level: 'warn' }, gateway: { ...gateway, secretFile: 'gateway.secret', heartbeatMonitoring: true } })
  )
  const child = spawn(process.execPath, [program, 'gateway', '--config', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' }
  })
  return {
    async revoked() {
      if (child.exitCode !== null) throw new Error(`curfew gateway ended with ${child.exitCode}`)
      const answer = await fetch(`http://127.0.0.1:${options.port}/pa/heartbeat.ping`).catch(() => undefined)
      return answer === undefined ? 0 : ((await answer.json()) as { readonly revokedSessions: number }).revokedSessions
    },
    memory: () => memoryOf(child.pid ?? 0),
    cpuSeconds: () => cpuSecondsOf(child.pid ?? 0),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return
      const ended = once(child, 'exit')
      child.kill()
      await ended
    }
  }
}
