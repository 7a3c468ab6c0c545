import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freeRange } from '../support/ports.ts'
import { bin } from '../support/bin.ts'

export interface Finished {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Starts the real program, as a shell would without a terminal. */
export function startCurfew(folder: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [bin, ...args], { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], CURFEW_TEST: '1' } })
}

/** Runs one command to its end. */
export async function curfew(folder: string, args: readonly string[], input = ''): Promise<Finished> {
  const child = startCurfew(folder, args)
  const collected = { out: '', err: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (collected.out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (collected.err += text))
  child.stdin?.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...collected }
}

/** Resolves with the line that fits when a started program has written it. */
export async function lineOf(child: ChildProcess, pattern: RegExp): Promise<string> {
  const isLine = (line: string): boolean => pattern.test(line)
  const text = await untilWritten(child, 'stderr', (written) => written.split('\n').some(isLine))
  return text.split('\n').find(isLine) ?? ''
}

/** Waits for words on standard output. */
export async function untilPrinted(child: ChildProcess, words: string): Promise<void> {
  await untilWritten(child, 'stdout', (text) => text.includes(words))
}

/** Goes on reading both streams afterwards: a program ends that writes to a closed pipe, and waits at one that is full. */
function untilWritten(child: ChildProcess, stream: 'stdout' | 'stderr', isEnough: (text: string) => boolean): Promise<string> {
  child.stdout?.resume()
  child.stderr?.resume()
  return new Promise((resolve, reject) => {
    let text = ''
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (isEnough(text)) resolve(text)
    })
    child.once('close', () => reject(new Error(`the program ended before it was ready: ${text}`)))
  })
}

/** Asks a program to stop and returns its exit code. */
export async function stopped(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  return child.exitCode
}

/** Neighbouring ports nobody listens at now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const first = await freeRange(count)
  return Array.from({ length: count }, (_, i) => first + i)
}
