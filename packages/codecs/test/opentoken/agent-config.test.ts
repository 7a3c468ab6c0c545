import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type AgentConfig, agentConfigDefaults, isCurfewError, parseAgentConfig, serialiseAgentConfig } from '../../src/index.ts'

const exported = `#Agent configuration
use-verbose-error-messages=false
password=MkZlZGVyYXRl
token-name=opentoken
use-cookie=false
cookie-path=/
cookie-domain=
cipher-suite=2
use-sunjce=false
token-lifetime=300
token-renewuntil=43200
obfuscate-password=false
token-notbefore-tolerance=0
`

function codeOf(text: string): string | undefined {
  try {
    parseAgentConfig(text)
    return undefined
  } catch (error) {
    return isCurfewError(error) ? error.code : String(error)
  }
}

suite('agent-config.txt', () => {
  test('AC-055 a file with a plain password is read with all its keys; an obfuscated one is refused with its own code', () => {
    assert.deepEqual(parseAgentConfig(exported), { ...agentConfigDefaults, password: Buffer.from('2Federate') })
    assert.equal(codeOf(exported.replace('obfuscate-password=false', 'obfuscate-password=true')), 'CURFEW_OPENTOKEN_AGENT_OBFUSCATED')
    assert.equal(codeOf(exported.replace('obfuscate-password=false\n', '')), 'CURFEW_OPENTOKEN_AGENT_OBFUSCATED')
  })

  test('AC-051 AC-052 lifetimes and tolerance have their defaults, and their ranges are enforced', () => {
    const least = parseAgentConfig('password=MkZlZGVyYXRl\nobfuscate-password=false\n')
    assert.deepEqual([least.tokenSeconds, least.renewUntilSeconds, least.notBeforeToleranceSeconds], [300, 43_200, 0])
    for (const [key, good, bad] of [
      ['token-lifetime', ['1', '28800'], ['0', '28801', '-1', 'x', '']],
      ['token-renewuntil', ['1', '259200'], ['0', '259201']],
      ['token-notbefore-tolerance', ['0', '3600'], ['3601']],
      ['cipher-suite', ['1', '2', '3'], ['0', '4', '']],
      ['use-cookie', ['true', 'false'], ['yes']]
    ] as const) {
      const withValue = (value: string): string => exported.replace(new RegExp(`^${key}=.*$`, 'm'), `${key}=${value}`)
      for (const value of good) assert.equal(codeOf(withValue(value)), undefined, `${key}=${value}`)
      for (const value of bad) assert.equal(codeOf(withValue(value)), 'CURFEW_OPENTOKEN_AGENT_CONFIG', `${key}=${value}`)
    }
  })

  test('what is written is read back, with characters that property files escape', () => {
    const config: AgentConfig = {
      ...agentConfigDefaults,
      password: Buffer.from('a\u00e9=:#!\\?'),
      tokenName: 'a:b',
      cookieDomain: '.example.com',
      useCookie: true,
      suite: 1
    }
    assert.deepEqual(parseAgentConfig(serialiseAgentConfig(config)), config)
    assert.deepEqual(parseAgentConfig(exported.replaceAll('\n', '\r\n')), parseAgentConfig(exported))
  })

  test('a password that is missing or no base64, a line that is none and a huge file are refused', () => {
    for (const text of [exported.replace(/^password=.*$/m, ''), exported.replace('MkZlZGVyYXRl', 'a b'), `${exported}=x\n`, `${exported}${'#'.repeat(70_000)}`])
      assert.equal(codeOf(text), 'CURFEW_OPENTOKEN_AGENT_CONFIG')
  })
})
