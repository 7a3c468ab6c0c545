import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ListeningProgram, startProgram } from './program.ts'

/** An HTTP proxy that wants a name and a password. */
export interface Tinyproxy extends ListeningProgram {
  /** What it was asked for. */
  log(): Promise<string>
}

/** Starts tinyproxy for `curfew` with that password. */
export async function startTinyproxy(port: number, password: string): Promise<Tinyproxy> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-tinyproxy-'))
  const log = join(folder, 'log')
  await writeFile(join(folder, 'conf'), `Port ${port}\nListen 127.0.0.1\nTimeout 60\nLogFile "${log}"\nLogLevel Connect\nBasicAuth curfew ${password}\n`)
  const program = await startProgram('tinyproxy', ['-d', '-c', join(folder, 'conf')], { port, from: 'tinyproxy-bin' })
  return {
    pid: program.pid,
    log: () => readFile(log, 'utf8'),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  }
}
