import {
  CurfewError,
  type OpenTokenKey,
  type OpenTokenStatement,
  openTokenKey,
  parseAgentConfig,
  type VerifiedOpenToken,
  verifyOpenToken,
  writeOpenToken
} from '@curfew/codecs'

/** What an application shares with the authority, mostly out of `agent-config.txt`. */
export interface OpenTokenAgentOptions {
  /** Text of the `agent-config.txt` that the authority exported. */
  readonly agentConfig: string
  readonly nowMs: () => number
  readonly randomBytes: (count: number) => Uint8Array
}

/** Whom a token is written about. */
export interface OpenTokenUser {
  readonly subject: string
  readonly attributes?: Readonly<Record<string, readonly string[]>>
  readonly authnContext?: string
}

/** Reads and writes tokens with the settings of one adapter. */
export interface OpenTokenAgent {
  readonly tokenName: string
  readonly useCookie: boolean
  readonly cookieDomain: string
  readonly cookiePath: string
  readonly renewUntilSeconds: number
  /** @throws CURFEW_OPENTOKEN_INVALID, CURFEW_OPENTOKEN_EXPIRED, CURFEW_OPENTOKEN_TIME, CURFEW_OPENTOKEN_SUBJECT, CURFEW_OPENTOKEN_TEXT */
  read(token: string): VerifiedOpenToken
  /** @throws CURFEW_OPENTOKEN_WRITE */
  write(user: OpenTokenUser): string
}

/** @throws CURFEW_OPENTOKEN_AGENT_CONFIG, CURFEW_OPENTOKEN_AGENT_OBFUSCATED */
export function createOpenTokenAgent({ agentConfig, nowMs, randomBytes }: OpenTokenAgentOptions): OpenTokenAgent {
  const config = parseAgentConfig(agentConfig)
  const key: OpenTokenKey = openTokenKey(config.suite, config.password)
  const { tokenName, useCookie, cookieDomain, cookiePath, renewUntilSeconds, tokenSeconds, notBeforeToleranceSeconds } = config
  if (!/^[\w.-]+$/.test(tokenName)) throw new CurfewError('CURFEW_OPENTOKEN_AGENT_CONFIG', { key: 'token-name' })
  return {
    tokenName,
    useCookie,
    cookieDomain,
    cookiePath,
    renewUntilSeconds,
    read: (token) => verifyOpenToken(token, { keys: [key], now: Temporal.Instant.fromEpochMilliseconds(nowMs()), notBeforeToleranceSeconds }),
    write(user) {
      const from = Temporal.Instant.fromEpochMilliseconds(Math.floor(nowMs() / 1000) * 1000)
      const statement: OpenTokenStatement = {
        subject: user.subject,
        attributes: user.attributes ?? {},
        notBefore: from,
        notOnOrAfter: from.add({ seconds: tokenSeconds }),
        renewUntil: from.add({ seconds: renewUntilSeconds }),
        ...(user.authnContext === undefined ? {} : { authnContext: user.authnContext })
      }
      return writeOpenToken(statement, key, randomBytes(key.suite.ivBytes))
    }
  }
}
