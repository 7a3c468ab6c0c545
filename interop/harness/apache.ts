import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Program, Programs } from './programs.ts'

export const apacheProgram = '/usr/sbin/apache2'

export interface ApacheStart {
  readonly name: string
  readonly folder: string
  /** Configuration file; `${NAME}` in it stands for a variable of the environment. */
  readonly config: string
  readonly environment: Readonly<Record<string, string>>
}

/** Starts an Apache of our own in the foreground. It has nothing to do with the one of the system. */
export function startApache(programs: Programs, { name, folder, config, environment }: ApacheStart): Program {
  const user = process.getuid?.() === 0 ? ['-DAS_ROOT'] : []
  return programs.start({
    name,
    command: apacheProgram,
    args: ['-DFOREGROUND', ...user, '-f', config],
    folder,
    environment: { ...environment, SERVER_FOLDER: folder },
    logFile: join(folder, 'program.log')
  })
}

/** Apache lets go of root: the files that it writes and reads belong to the user that it runs as. */
export function giveToApache(folder: string): void {
  if (process.getuid?.() === 0) spawnSync('chown', ['-R', 'www-data:www-data', folder])
}

/** Version of an installed Debian package; undefined when it is not installed. */
export function packageVersion(name: string): string | undefined {
  if (!existsSync('/usr/bin/dpkg-query')) return undefined
  const result = spawnSync('dpkg-query', ['-W', '-f', '${Status}|${Version}', name], { encoding: 'utf8' })
  const [status, version] = result.stdout.split('|')
  return status === 'install ok installed' ? version : undefined
}
