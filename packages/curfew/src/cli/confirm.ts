import type { CommandContext } from './context.ts'

/** Asks before something that can't be undone. Without a terminal the answer is no, unless `--yes` was given. */
export async function confirm({ terminal }: CommandContext, what: string, isYes: boolean): Promise<boolean> {
  if (isYes) return true
  if (!terminal.isInteractive) {
    terminal.error(`${what} Nothing was done. Say --yes to go on without being asked.`)
    return false
  }
  const { confirm: ask, isCancel } = await import('@clack/prompts')
  const answer = await ask({ message: `${what} Go on?`, initialValue: false })
  return !isCancel(answer) && answer
}
