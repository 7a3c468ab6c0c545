import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunView } from '../../src/admin/schemas.ts'
import { untilPrinted } from '../cli/bin.ts'
import { bin } from '../support/bin.ts'

/** The demo as a user starts it: a process of its own in an empty folder. */
export interface DemoProcess {
  readonly authority: string
  app(id: 'payroll' | 'intranet' | 'legacy' | 'forms' | 'timesheet'): string
  /** What an application knows of its own sessions, latest last. */
  journal(id: string): Promise<readonly { readonly event: string; readonly sessionIndex?: string; readonly detail?: string }[]>
  /** Makes an application misbehave; legacy unless another one is named. */
  fault(fault: string, id?: string): Promise<void>
  run(id: string): Promise<RunView>
  logout(user: string): Promise<void>
  stop(): Promise<void>
}

/** @param port - first of twenty-one free ports */
export async function startDemoProcess(port: number): Promise<DemoProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-journey-'))
  const child = spawn(process.execPath, [bin, 'demo', '--port', String(port)], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  await untilPrinted(child, 'Ctrl+C')
  const control = `http://127.0.0.1:${port + 19}`
  const admin = `http://127.0.0.1:${port + 1}/v1`
  const authorization = `Bearer ${readFileSync(join(folder, '.curfew/demo.token'), 'utf8').trim()}`
  const offsets = { payroll: 10, intranet: 12, legacy: 13, forms: 16, timesheet: 20 } as const
  return {
    authority: `http://curfew.localhost:${port}`,
    app: (id) => `http://${id}.localhost:${port + offsets[id]}`,
    journal: async (id) => ((await (await fetch(`${control}/${id}/journal`)).json()) as { entries: { event: string }[] }).entries,
    async fault(fault, id = 'legacy') {
      await fetch(`${control}/${id}/fault`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ fault }) })
    },
    run: async (id) => (await (await fetch(`${admin}/runs/${id}`, { headers: { authorization } })).json()) as RunView,
    async logout(user) {
      await fetch(`${admin}/logout`, { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify({ user }) })
    },
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
