import { CurfewError, isCurfewError } from '@curfew/codecs'
import { errorLines, errorPage, everyCode, renderError } from '../errors/render.ts'
import { ApiProblem } from './api-problem.ts'
import { type ExitCode, exitCode } from './exit-code.ts'
import type { Terminal } from './terminal.ts'

/**
 * Says what ended a command and what to do about it, and returns the exit code. What nobody foresaw gets a code of its
 * own; `--verbose` shows where it came from.
 */
export function explain(terminal: Pick<Terminal, 'error'>, isVerbose: boolean, error: unknown): ExitCode {
  if (error instanceof ApiProblem) return explainProblem(terminal, error)
  const known = isCurfewError(error) ? error : (fileProblem(error) ?? unexpected(error))
  if (isVerbose) terminal.error(stackOf(error))
  for (const line of errorLines(renderError(known))) terminal.error(line)
  return codeOf(known)
}

function explainProblem(terminal: Pick<Terminal, 'error'>, { problem }: ApiProblem): ExitCode {
  terminal.error(`${problem.title}   ${problem.code}`)
  if (problem.detail !== undefined) terminal.error(`  ${problem.detail}`)
  for (const { path, message } of problem.errors ?? []) terminal.error(`  ${path}: ${message}`)
  if (problem.remediation !== undefined) terminal.error(`  Fix: ${problem.remediation}`)
  terminal.error(`  Reference: ${problem.instance}   More: ${errorPage(problem.code)}`)
  if (problem.status === 404) return exitCode.notFound
  return problem.status === 401 || problem.status === 403 ? exitCode.notPermitted : exitCode.failed
}

/** What the system says about a file that a command was to read or write. */
function fileProblem(error: unknown): CurfewError | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, path, syscall } = error as NodeJS.ErrnoException
  if (code === undefined || path === undefined || syscall === undefined) return undefined
  return new CurfewError('CURFEW_CLI_FILE', { path, why: wordsOf[code] ?? code }, { cause: error })
}

const wordsOf: Readonly<Record<string, string>> = {
  EACCES: 'this user may not (EACCES)',
  EPERM: 'this user may not (EPERM)',
  EROFS: 'the file system can only be read (EROFS)',
  ENOENT: 'a folder of the path, or the file, is not there (ENOENT)',
  ENOTDIR: 'a part of the path is no folder (ENOTDIR)',
  EISDIR: 'it is a folder (EISDIR)',
  EEXIST: 'it is there already (EEXIST)',
  ENOSPC: 'no room is left (ENOSPC)'
}

function unexpected(error: unknown): CurfewError {
  return new CurfewError('CURFEW_CLI_UNEXPECTED', { what: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }, { cause: error })
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function codeOf({ code }: CurfewError): ExitCode {
  switch (code) {
    case 'CURFEW_CLI_SERVER_UNREACHABLE':
    case 'CURFEW_CLI_SERVER_FOREIGN':
      return exitCode.serverUnreachable
    case 'CURFEW_CLI_PARTNER_UNKNOWN':
      return exitCode.notFound
    case 'CURFEW_CLI_TOKEN_NEEDED':
      return exitCode.needsInput
    case 'CURFEW_CLI_FAULT_UNKNOWN':
    case 'CURFEW_CLI_INPUT_UNKNOWN':
    case 'CURFEW_CLI_RUN_FILE':
    case 'CURFEW_CLI_SERVER_ADDRESS':
      return exitCode.usage
    case 'CURFEW_CLI_UNEXPECTED':
      return exitCode.unexpected
  }
  return everyCode[code]?.kind === 'config' ? exitCode.configuration : exitCode.failed
}
