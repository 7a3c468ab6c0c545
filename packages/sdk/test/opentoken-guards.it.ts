import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { agentConfigDefaults, serialiseAgentConfig } from '@curfew/codecs'
import { createMemorySessionRegistry, createOpenTokenAgent, createOpenTokenApplication } from '../src/index.ts'
import { frameworks, serve } from './frameworks.ts'

const agentConfig = serialiseAgentConfig({ ...agentConfigDefaults, password: Buffer.from('shared secret') })
const ambient = { agentConfig, nowMs: Date.now, randomBytes }
const authority = createOpenTokenAgent(ambient)

for (const [name, create] of Object.entries(frameworks)) {
  suite(`OpenToken services for ${name}`, () => {
    test('a posted token opens a session, and a posted visit of the Logout Service ends it and goes back with an answer', async (t) => {
      const guard = createOpenTokenApplication({
        ...ambient,
        adapterId: 'forms',
        authorityUrl: 'http://login.example',
        baseUrl: 'http://forms.example',
        sessions: createMemorySessionRegistry()
      })
      const go = await serve(t, create, guard)
      const start = await go('/opentoken/login?to=/')
      const state = start.headers.getSetCookie()[0]?.split(';')[0] ?? ''
      const target = new URL(new URL(start.headers.get('location') ?? '').searchParams.get('TargetResource') ?? '')
      const body = new URLSearchParams({ opentoken: authority.write({ subject: 'ana' }) })
      const parked = await go(target.pathname + target.search, { method: 'POST', body })
      const opened = await go(parked.headers.get('location') ?? '', { headers: { cookie: state } })
      const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? ''
      const who = async (): Promise<string> => (await go('/', { headers: { cookie } })).text()
      assert.equal(await who(), 'ana')
      const resume = '/sp/AAAAAAAAAAAAAAAAAAAAAA.BBBB/resume/sp/startSLO.ping'
      const visit = new URLSearchParams({ opentoken: authority.write({ subject: 'ana' }) })
      const again = await go(`/opentoken/slo?resume=${encodeURIComponent(resume)}`, { method: 'POST', body: visit })
      const back = new URL((await go(again.headers.get('location') ?? '', { headers: { cookie } })).headers.get('location') ?? '')
      assert.equal(back.origin + back.pathname, `http://login.example${resume}`)
      assert.deepEqual(authority.read(back.searchParams.get('opentoken') ?? '').attributes['logout'], ['ended'])
      assert.equal(await who(), 'nobody')
    })
  })
}
