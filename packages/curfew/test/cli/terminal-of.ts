import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { bin } from '../support/bin.ts'

/** Runs one command at a terminal of its own, as a person would; what it writes comes as one text. */
export async function atTerminal(
  folder: string,
  args: readonly string[],
  typed?: { readonly after: RegExp; readonly keys: string }
): Promise<{ readonly code: number | null; readonly text: string }> {
  const line = [process.execPath, bin, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const env = { PATH: process.env['PATH'], TERM: 'xterm' }
  const child = spawn('script', ['--quiet', '--return', '--command', `stty rows 40 cols 160; ${line}`, '/dev/null'], {
    cwd: folder,
    env,
    stdio: ['pipe', 'pipe', 'inherit']
  })
  let text = ''
  let isTyped = typed === undefined
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
    if (isTyped || typed?.after.test(text) !== true) return
    isTyped = true
    child.stdin.write(typed.keys)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, text }
}
