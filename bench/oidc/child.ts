import { fork } from 'node:child_process'
import { once } from 'node:events'

/** A process of its own that does one thing after the other when asked, so that its work is not counted as ours. */
export interface Child<Ask, Answer> extends AsyncDisposable {
  ask(what: Ask): Promise<Answer>
}

type Told<Answer> = { readonly error: string } | { readonly value: Answer }

export async function startChild<Ask extends object, Answer>(file: URL): Promise<Child<Ask, Answer>> {
  const child = fork(file, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let waiting: PromiseWithResolvers<Answer> | undefined
  child.on('message', (told: Told<Answer>) => ('error' in told ? waiting?.reject(new Error(told.error)) : waiting?.resolve(told.value)))
  child.on('exit', () => waiting?.reject(new Error('the process that measures has ended')))
  await once(child, 'message')
  return {
    ask(what) {
      waiting = Promise.withResolvers<Answer>()
      child.send(what)
      return waiting.promise
    },
    async [Symbol.asyncDispose]() {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
  }
}

/** The other end: answers every question, and says first that it is there. */
export function answerParent<Ask, Answer>(work: (ask: Ask) => Promise<Answer>): void {
  process.on('message', (ask) => {
    work(ask as Ask).then(
      (value) => process.send?.({ value }),
      (error: unknown) => process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    )
  })
  // Whoever asks is gone.
  process.on('disconnect', () => process.exit(0))
  process.send?.({ value: 'ready' })
}
