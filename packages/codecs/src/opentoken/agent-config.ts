import { CurfewError } from '../errors.ts'
import { openTokenLimits } from './limits.ts'
import type { OpenTokenSuiteId } from './suite.ts'

/** What both ends of an adapter have to agree on, as `agent-config.txt` carries it to the application. */
export interface AgentConfig {
  readonly password: Uint8Array
  readonly tokenName: string
  readonly suite: OpenTokenSuiteId
  readonly useCookie: boolean
  readonly cookieDomain: string
  readonly cookiePath: string
  readonly tokenSeconds: number
  readonly renewUntilSeconds: number
  readonly notBeforeToleranceSeconds: number
  readonly useVerboseErrorMessages: boolean
}

/** Defaults of the adapters of the replaced product. */
export const agentConfigDefaults = {
  tokenName: 'opentoken',
  suite: 2,
  useCookie: false,
  cookieDomain: '',
  cookiePath: '/',
  tokenSeconds: 300,
  renewUntilSeconds: 43_200,
  notBeforeToleranceSeconds: 0,
  useVerboseErrorMessages: false
} as const satisfies Omit<AgentConfig, 'password'>

/** Ranges of the documented fields, in seconds. */
export const agentConfigRanges = {
  tokenSeconds: [1, 28_800],
  renewUntilSeconds: [1, 259_200],
  notBeforeToleranceSeconds: [0, 3_600]
} as const

/**
 * Reads an exported `agent-config.txt`. An obfuscated password can't be read: the key it is hidden with is a secret of
 * the replaced product.
 * @throws CURFEW_OPENTOKEN_AGENT_OBFUSCATED, CURFEW_OPENTOKEN_AGENT_CONFIG
 */
export function parseAgentConfig(text: string): AgentConfig {
  if (Buffer.byteLength(text) > openTokenLimits.agentConfigBytesMax) throw bad('size')
  const lines = text.split(/\r?\n/).map((line) => line.trimStart())
  const entries = new Map<string, string>()
  for (const line of lines.filter((one) => one !== '' && !/^[#!]/.test(one))) {
    const [, key, value = ''] = /^((?:[^\\=:\s]|\\.)+)\s*[=:]?\s*(.*)$/.exec(line) ?? []
    if (key === undefined) throw bad('line')
    entries.set(unescaped(key), unescaped(value.trimEnd()))
  }
  const defaults = agentConfigDefaults
  const password = entries.get('password') ?? ''
  if (password === '') throw bad('password')
  if (entries.get('obfuscate-password') !== 'false') throw new CurfewError('CURFEW_OPENTOKEN_AGENT_OBFUSCATED')
  return {
    password: passwordOf(password),
    tokenName: entries.get('token-name') ?? defaults.tokenName,
    suite: suiteOf(entries.get('cipher-suite') ?? String(defaults.suite)),
    useCookie: booleanOf(entries, 'use-cookie', defaults.useCookie),
    cookieDomain: entries.get('cookie-domain') ?? defaults.cookieDomain,
    cookiePath: entries.get('cookie-path') ?? defaults.cookiePath,
    tokenSeconds: secondsOf(entries, 'token-lifetime', defaults.tokenSeconds, agentConfigRanges.tokenSeconds),
    renewUntilSeconds: secondsOf(entries, 'token-renewuntil', defaults.renewUntilSeconds, agentConfigRanges.renewUntilSeconds),
    notBeforeToleranceSeconds: secondsOf(entries, 'token-notbefore-tolerance', defaults.notBeforeToleranceSeconds, agentConfigRanges.notBeforeToleranceSeconds),
    useVerboseErrorMessages: booleanOf(entries, 'use-verbose-error-messages', defaults.useVerboseErrorMessages)
  }
}

/** Writes `agent-config.txt` with every documented key, the password plain: whoever reads the file can make tokens. */
export function serialiseAgentConfig(config: AgentConfig): string {
  const entries: readonly (readonly [string, string | number | boolean])[] = [
    ['use-verbose-error-messages', config.useVerboseErrorMessages],
    ['password', Buffer.from(config.password).toString('base64')],
    ['token-name', config.tokenName],
    ['use-cookie', config.useCookie],
    ['cookie-path', config.cookiePath],
    ['cookie-domain', config.cookieDomain],
    ['cipher-suite', config.suite],
    ['use-sunjce', false],
    ['token-lifetime', config.tokenSeconds],
    ['token-renewuntil', config.renewUntilSeconds],
    ['obfuscate-password', false],
    ['token-notbefore-tolerance', config.notBeforeToleranceSeconds]
  ]
  return entries.map(([key, value]) => `${key}=${escaped(String(value))}\n`).join('')
}

/** Values as property files of Java write them. */
function escaped(value: string): string {
  return value.replaceAll(/[\\=:#!]/g, (c) => `\\${c}`)
}

function unescaped(value: string): string {
  return value.replaceAll(/\\(.)/g, '$1')
}

function passwordOf(text: string): Uint8Array {
  const octets = Buffer.from(text, 'base64')
  if (octets.length === 0 || octets.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) throw bad('password')
  return octets
}

function suiteOf(text: string): OpenTokenSuiteId {
  if (text === '1' || text === '2' || text === '3') return Number(text) as OpenTokenSuiteId
  throw bad('cipher-suite')
}

function booleanOf(entries: ReadonlyMap<string, string>, key: string, fallback: boolean): boolean {
  const text = entries.get(key) ?? String(fallback)
  if (text !== 'true' && text !== 'false') throw bad(key)
  return text === 'true'
}

function secondsOf(entries: ReadonlyMap<string, string>, key: string, fallback: number, [least, most]: readonly [number, number]): number {
  const text = entries.get(key) ?? String(fallback)
  const seconds = Number(text)
  if (!/^\d{1,7}$/.test(text) || seconds < least || seconds > most) throw bad(key)
  return seconds
}

function bad(key: string): CurfewError {
  return new CurfewError('CURFEW_OPENTOKEN_AGENT_CONFIG', { key })
}
