import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPrograms, type Programs } from './programs.ts'

/**
 * Runs one half of `npm run interop` in a folder of its own and ends the process: 0 when all was good. Nothing it has
 * started stays behind, whatever happens; `CURFEW_INTEROP_KEEP=1` leaves the folder to look at.
 */
export async function runInterop(main: (programs: Programs, folder: string) => Promise<boolean>, totalMsMax: number): Promise<never> {
  const programs = createPrograms()
  const folder = mkdtempSync(join(tmpdir(), 'curfew-interop-'))
  chmodSync(folder, 0o755)
  process.on('exit', () => {
    programs.killAll()
    if (process.env['CURFEW_INTEROP_KEEP'] !== '1') rmSync(folder, { recursive: true, force: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
  const watchdog = setTimeout(() => {
    console.log(`given up after ${totalMsMax / 1000} s\n0 passed, 1 failed`)
    process.exit(1)
  }, totalMsMax)
  let isGood = false
  try {
    isGood = await main(programs, folder)
  } catch (error) {
    console.log(error instanceof Error ? (error.stack ?? error.message) : String(error))
    console.log('0 passed, 1 failed')
  } finally {
    clearTimeout(watchdog)
    await programs.stopAll()
  }
  process.exit(isGood ? 0 : 1)
}
