import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Program, Programs } from './programs.ts'

export interface NodeStart {
  readonly name: string
  readonly folder: string
  /** Full path of the application. */
  readonly file: string
  readonly environment: Readonly<Record<string, string>>
}

const loopbackNames = pathToFileURL(join(import.meta.dirname, 'loopback-names.ts')).href

/** Starts an application in a process of its own. */
export function startNode(programs: Programs, { name, folder, file, environment }: NodeStart): Program {
  return programs.start({
    name,
    command: process.execPath,
    args: ['--import', loopbackNames, file],
    folder,
    environment,
    logFile: join(folder, 'program.log')
  })
}

/** Version of an installed npm package; undefined when it is not installed. */
export function npmVersion(name: string): string | undefined {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const folder of folders) {
    try {
      return (JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')) as { version: string }).version
    } catch {
      // It may be in the next folder.
    }
  }
  return undefined
}
