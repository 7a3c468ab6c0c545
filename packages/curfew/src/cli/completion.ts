/** A command as a shell completes it. */
export interface CompletedCommand {
  /** `''` for the program itself, `/users/list` for a command of a group. */
  readonly path: string
  readonly words: readonly CompletedWord[]
  readonly options: readonly CompletedWord[]
}

/** What a shell completes. */
export interface Completions {
  readonly commands: readonly CompletedCommand[]
  /** Options of every command. */
  readonly everywhere: readonly CompletedWord[]
}

export interface CompletedWord {
  readonly word: string
  readonly description: string
}

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** The text that makes a shell complete the commands and options of this version. */
export function completionScript(shell: Shell, completions: Completions): string {
  switch (shell) {
    case 'bash':
      return bash(completions)
    case 'zsh':
      return zsh(completions)
    case 'fish':
      return fish(completions)
  }
}

/** Paths that a word may lead on to. */
function inner(commands: readonly CompletedCommand[]): readonly string[] {
  return commands.flatMap(({ path }) => (path === '' ? [] : [path]))
}

function bash({ commands, everywhere }: Completions): string {
  const cases = commands.map(({ path, words, options }) => `    '${path}') candidates='${[...words, ...options].map(({ word }) => word).join(' ')}' ;;`)
  return `# eval "$(curfew completion bash)"
_curfew() {
  local at='' word candidates=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at/$word" in
      ${inner(commands).join('|')}) at="$at/$word" ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  candidates="$candidates ${everywhere.map(({ word }) => word).join(' ')}"
  COMPREPLY=($(compgen -W "$candidates" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _curfew curfew
`
}

function zsh({ commands, everywhere }: Completions): string {
  const cases = commands.map(({ path, words, options }) => {
    return `    '${path}') candidates=(${described([...words, ...options])}) ;;`
  })
  return `#compdef curfew
# eval "$(curfew completion zsh)"
_curfew() {
  local at='' word
  local -a candidates
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at/$word" in
      ${inner(commands).join('|')}) at="$at/$word" ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  candidates+=(${described(everywhere)})
  _describe 'curfew' candidates || _files
}
compdef _curfew curfew
`
}

function fish({ commands, everywhere }: Completions): string {
  const lines = commands.flatMap(({ path, words, options }) => [
    ...words.map(({ word, description }) => `complete -c curfew -f -n "__curfew_at '${path}'" -a ${word} -d ${fishQuoted(description)}`),
    ...options.map((option) => `complete -c curfew -n "__curfew_at '${path}'" ${fishOption(option)}`)
  ])
  return `# curfew completion fish | source
function __curfew_at
  set -l at ''
  for word in (commandline -opc)[2..]
    switch "$at/$word"
      case ${inner(commands).join(' ')}
        set at "$at/$word"
    end
  end
  test "$at" = "$argv[1]"
end
${[...lines, ...everywhere.map((option) => `complete -c curfew ${fishOption(option)}`)].join('\n')}
`
}

function fishOption({ word, description }: CompletedWord): string {
  return `-l ${word.replace(/^--/, '')} -d ${fishQuoted(description)}`
}

/** For `_describe` of zsh. */
function described(words: readonly CompletedWord[]): string {
  return words.map(({ word, description }) => singleQuoted(`${word}:${description.replaceAll(':', '\\:')}`)).join(' ')
}

/** One word of bash or zsh, whatever is in it. */
function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** The same for fish, where a backslash means something in there. */
function fishQuoted(text: string): string {
  return singleQuoted(text.replaceAll('\\', '\\\\'))
}
