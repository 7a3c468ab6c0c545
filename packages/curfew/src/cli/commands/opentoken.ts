import { readFileSync } from 'node:fs'
import { type AgentConfig, CurfewError, type OpenTokenSuiteId, parseAgentConfig, serialiseAgentConfig } from '@curfew/codecs'
import { stringify } from 'yaml'
import { requireConfig } from '../../config/load.ts'
import { makeAdapters } from '../opentoken-setup.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'

/** `curfew opentoken export <id>`: the agent-config.txt of one adapter, on standard output. */
export async function exportAgentConfig(context: CommandContext, id: string): Promise<ExitCode> {
  const { config } = requireConfig(configPath(context), { environment: context.environment })
  const adapter = makeAdapters(config).byId(id)
  const settings = [...config.connections, ...config.identityProviders].find((one) => one.id === id)
  if (adapter === undefined || settings?.protocol !== 'opentoken') {
    context.terminal.error(`There is no adapter ${id}. The list: curfew connections list`)
    return exitCode.notFound
  }
  const agent: AgentConfig = {
    password: Buffer.from(settings.password),
    tokenName: adapter.tokenName,
    suite: adapter.key.suite.id as OpenTokenSuiteId,
    useCookie: adapter.transport === 'cookie',
    cookieDomain: adapter.cookie.domain ?? '',
    cookiePath: adapter.cookie.path,
    tokenSeconds: adapter.tokenSeconds,
    renewUntilSeconds: adapter.sessionSeconds,
    notBeforeToleranceSeconds: adapter.notBeforeToleranceSeconds,
    useVerboseErrorMessages: false
  }
  if (printJson(context, { ...agent, password: settings.password })) return exitCode.done
  for (const line of serialiseAgentConfig(agent).trimEnd().split('\n')) context.terminal.out(line)
  context.terminal.note('This holds the password: whoever reads it can make tokens.')
  return exitCode.done
}

const suiteNames = { 1: 'aes-256', 2: 'aes-128', 3: '3des' } as const

/** `curfew opentoken import <file>`: the lines of curfew.yaml that an agent-config.txt stands for, without its password. */
export async function importAgentConfig(context: CommandContext, file: string): Promise<ExitCode> {
  const agent = parseAgentConfig(readText(file))
  const password = Buffer.from(agent.password).toString('utf8')
  if (!Buffer.from(password).equals(Buffer.from(agent.password))) {
    context.terminal.error('The password of this file is no text. Give both sides a new one.')
    return exitCode.failed
  }
  const settings = {
    protocol: 'opentoken',
    password: '${file:keys/agent.password}',
    cipherSuite: suiteNames[agent.suite],
    tokenName: agent.tokenName,
    tokenSeconds: agent.tokenSeconds,
    sessionSeconds: agent.renewUntilSeconds,
    notBeforeToleranceSeconds: agent.notBeforeToleranceSeconds,
    ...(agent.useCookie
      ? { transport: 'cookie', cookie: { ...(agent.cookieDomain === '' ? {} : { domain: agent.cookieDomain }), path: agent.cookiePath } }
      : {})
  }
  if (printJson(context, { ...settings, password })) return exitCode.done
  for (const line of stringify(settings).trimEnd().split('\n')) context.terminal.out(line)
  context.terminal.note(
    'Write the password of the file into keys/agent.password (curfew --json opentoken import shows it), and add id, targetUrl and logoutService.'
  )
  return exitCode.done
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path }, { cause })
  }
}
