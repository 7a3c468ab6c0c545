import type { Command } from 'commander'
import { type CompletedCommand, type Completions, completionScript, type Shell, shells } from '../completion.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'

/** `curfew completion [shell]`: the text that makes a shell complete commands and options; without one for the shell that is in use. */
export function completion({ terminal, environment }: CommandContext, program: Command, asked: string | undefined): ExitCode {
  const name = asked ?? environment['SHELL']?.split('/').at(-1)
  const shell = shells.find((known) => known === name)
  if (shell === undefined) {
    terminal.error(`${name === undefined ? 'Say for which shell' : `There is none for ${name}`}: curfew completion ${shells.join('|')}`)
    return exitCode.usage
  }
  terminal.out(completionScript(shell, completionsOf(program)).trimEnd())
  if (terminal.isInteractive) terminal.note(howTo[shell])
  return exitCode.done
}

const howTo: Readonly<Record<Shell, string>> = {
  bash: 'Put this line into ~/.bashrc:  eval "$(curfew completion bash)"',
  zsh: 'Put this line into ~/.zshrc, behind compinit:  eval "$(curfew completion zsh)"',
  fish: 'Put this line into ~/.config/fish/config.fish:  curfew completion fish | source'
}

/** Every command with what may stand behind it. */
export function completionsOf(program: Command): Completions {
  const walk = (command: Command, path: string): readonly CompletedCommand[] => [
    {
      path,
      words: command.commands.map((inner) => ({ word: inner.name(), description: inner.description() })),
      options: command === program ? [] : longOptions(command)
    },
    ...command.commands.flatMap((inner) => walk(inner, `${path}/${inner.name()}`))
  ]
  return { commands: walk(program, ''), everywhere: longOptions(program) }
}

function longOptions(command: Command): CompletedCommand['options'] {
  return command.options.flatMap(({ long, description }) => (long === undefined || long === null ? [] : [{ word: long, description }]))
}
