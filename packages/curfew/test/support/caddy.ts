import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ListeningProgram, startProgram } from './program.ts'

/** Starts Caddy with these sites, on plain HTTP and with nothing of it outside of a folder of its own. */
export async function startCaddy(sites: string, port: number): Promise<ListeningProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-caddy-'))
  const options = `{
	admin off
	auto_https off
	storage file_system ${folder}
	log {
		output file ${folder}/log
		level WARN
	}
}
`
  await writeFile(join(folder, 'Caddyfile'), options + sites)
  const arguments_ = ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')]
  const program = await startProgram('caddy', arguments_, {
    port,
    from: 'caddy',
    isQuiet: true,
    env: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
  })
  return {
    pid: program.pid,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  }
}
