import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError, parseAgentConfig } from '@curfew/codecs'
import { parse } from 'yaml'
import { exportAgentConfig, importAgentConfig } from '../../src/cli/commands/opentoken.ts'
import { loadConfig } from '../../src/config/load.ts'
import { contextOf } from './context.ts'

const configuration = (adapter: object): string =>
  JSON.stringify({
    server: { baseUrl: 'https://login.example.com' },
    saml: { keys: [{ key: 'key.pem', certificate: 'crt.pem' }] },
    sessions: { secretFile: 'secret' },
    signOn: { users: 'users.yaml' },
    connections: [{ id: 'forms', protocol: 'opentoken', targetUrl: 'https://forms.example.com/open', password: 'pass=word:é', ...adapter }]
  })

function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-agent-'))
  return work(folder).finally(() => rmSync(folder, { recursive: true }))
}

suite('curfew opentoken', () => {
  test('AC-055 what is exported is what the application needs, and importing it gives the same settings again', () =>
    inFolder(async (folder) => {
      const adapter = { cipherSuite: 'aes-256', transport: 'cookie', tokenName: 'crumb', tokenSeconds: 60, cookie: { domain: '.example.com', path: '/in' } }
      const file = join(folder, 'curfew.yaml')
      writeFileSync(file, configuration(adapter))
      const exported = contextOf({ config: file })
      assert.equal(await exportAgentConfig(exported.context, 'forms'), 0)
      const text = `${exported.lines.join('\n')}\n`
      const agent = parseAgentConfig(text)
      assert.equal(Buffer.from(agent.password).toString(), 'pass=word:é')
      assert.deepEqual([agent.suite, agent.tokenName, agent.useCookie, agent.cookieDomain, agent.tokenSeconds], [1, 'crumb', true, '.example.com', 60])
      const agentFile = join(folder, 'agent-config.txt')
      writeFileSync(agentFile, text)
      const imported = contextOf({ config: file })
      assert.equal(await importAgentConfig(imported.context, agentFile), 0)
      const settings = parse(imported.lines.join('\n')) as Readonly<Record<string, unknown>>
      assert.doesNotMatch(imported.lines.join('\n'), /pass=word/)
      writeFileSync(file, configuration({ ...settings, password: 'pass=word:é' }))
      const again = contextOf({ config: file })
      await exportAgentConfig(again.context, 'forms')
      assert.deepEqual(again.lines, exported.lines)
    }))

  test('AC-055 an obfuscated password, a file that is not there and an unknown adapter are said plainly', () =>
    inFolder(async (folder) => {
      const file = join(folder, 'curfew.yaml')
      writeFileSync(file, configuration({}))
      writeFileSync(join(folder, 'agent-config.txt'), 'password=AAAA\nobfuscate-password=true\n')
      const fails = (path: string, code: string): Promise<void> =>
        assert.rejects(importAgentConfig(contextOf({ config: file }).context, path), (error) => isCurfewError(error) && (assert.equal(error.code, code), true))
      await fails(join(folder, 'agent-config.txt'), 'CURFEW_OPENTOKEN_AGENT_OBFUSCATED')
      await fails(join(folder, 'nothing.txt'), 'CURFEW_CONFIG_FILE')
      assert.equal(await exportAgentConfig(contextOf({ config: file }).context, 'nobody'), 3)
    }))

  test('AC-051 AC-052 lifetimes and tolerance outside of their ranges are findings of the configuration', () =>
    inFolder(async (folder) => {
      const file = join(folder, 'curfew.yaml')
      const isGood = (adapter: object): boolean => {
        writeFileSync(file, configuration(adapter))
        return loadConfig(file, { environment: {} }).ok
      }
      for (const good of [{ tokenSeconds: 1 }, { tokenSeconds: 28_800 }, { sessionSeconds: 259_200 }, { notBeforeToleranceSeconds: 3_600 }])
        assert.ok(isGood(good))
      for (const bad of [
        { tokenSeconds: 0 },
        { tokenSeconds: 28_801 },
        { sessionSeconds: 259_201 },
        { notBeforeToleranceSeconds: 3_601 },
        { cipherSuite: 'null' },
        { password: 'short' }
      ])
        assert.ok(!isGood(bad), JSON.stringify(bad))
    }))
})
