import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ListeningProgram, startProgram } from './program.ts'

export interface Nginx extends ListeningProgram {
  /** Lines of a file in its folder, such as a log. */
  linesOf(name: string): readonly string[]
}

/** Starts nginx with one worker. `server` stands in its `http` section; `FOLDER` in it is where `files` are. */
export async function startNginx(server: string, port: number, files: Readonly<Record<string, string>> = {}, connections = 64): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-nginx-'))
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')
  const configuration = `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1; user root;
events { worker_connections ${connections}; }
http { access_log off; ${paths}\n${server.replaceAll('FOLDER', folder)} }`
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  await writeFile(join(folder, 'nginx.conf'), configuration)
  const program = await startProgram('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { port, from: 'nginx-light' })
  return {
    pid: program.pid,
    linesOf: (name) => readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  }
}
