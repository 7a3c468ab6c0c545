import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../browser.ts'
import { createKit, type Kit } from '../kit.ts'
import { clientOf, tokensFor } from '../oidc/relying-party.ts'
import { open, outcomes, readToken, settingsOf, visit } from './application.ts'

interface World {
  readonly kit: Kit
  readonly browser: Browser
  readonly idToken: string
}

const typed = { 'sec-fetch-site': 'none' }

/** `ana` is in an OpenToken, a SAML and an OpenID application. */
async function world(): Promise<World> {
  const kit = await createKit({
    partners: { payroll: {} },
    clients: [clientOf('wiki', { logout: { modes: [] } })],
    adapters: { applications: [settingsOf('forms')] },
    startMs: Temporal.Now.instant().epochMilliseconds
  })
  const browser = kit.browser()
  await open(browser, 'forms')
  const payroll = kit.partner('payroll')
  payroll.readResponse((await browser.get(await payroll.ssoRedirect())).body)
  const { id_token: idToken } = await tokensFor(kit, browser, 'wiki')
  return { kit, browser, idToken }
}

async function participant(kit: Kit, peerId: string) {
  const [session] = await kit.store.findByUser('local:ana')
  return (await kit.store.getParticipants(session?.id ?? 'ses_')).find((one) => one.peerId === peerId) ?? assert.fail(peerId)
}

async function passMinutes(kit: Kit, minutes: number): Promise<void> {
  kit.clock.advance(minutes * 60_000)
  await kit.ctx.engine.endExpired()
}

/** Whoever can end a session, with or without the browser of it. */
const starters: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  'the person, at the authority': ({ browser }) => browser.get('/idp/startSLO.ping', typed),
  'the application by OpenToken itself': ({ browser }) => browser.get('/sp/startSLO.ping?SpSessionAuthnAdapterId=forms', { referer: 'http://forms.test/' }),
  'a SAML application by Redirect': async ({ kit, browser }) => {
    const { nameId, sessionIndex } = await participant(kit, 'payroll')
    const payroll = kit.partner('payroll')
    return browser.get(await payroll.logoutRedirect(payroll.logoutRequest(nameId, [sessionIndex])))
  },
  'an OpenID client': ({ browser, idToken }) => browser.get(`/idp/init_logout.openid?id_token_hint=${idToken}`, typed),
  'an address of PingOne': ({ browser }) => browser.get('/sso/initslo/', typed),
  'an administrator': ({ kit }) =>
    kit.ctx.engine.endSessions({
      scope: { kind: 'user', userKey: 'local:ana' },
      reason: 'admin',
      by: { kind: 'admin', id: 'test' },
      starter: { kind: 'none' },
      browser: 'absent'
    }),
  'the idle limit': ({ kit }) => passMinutes(kit, 61)
}

suite('Whoever ends the session, the application by OpenToken is visited once and its answer counts', () => {
  for (const [who, start] of Object.entries(starters)) {
    test(who, async () => {
      const scene = await world()
      await using kit = scene.kit
      const { browser } = scene
      await start(scene)
      const run = (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail('no run')
      const path = `/signoff/${run.id}`
      const payroll = kit.partner('payroll')
      let visits = 0
      for (let i = 0; i < 4; i++) {
        const hop = await visit(browser, path)
        if (hop === undefined) break
        if (hop.url.host !== 'forms.test') {
          await browser.get(await payroll.logoutAnswer(payroll.readLogoutRequest(hop.url.href)))
          continue
        }
        visits += 1
        assert.equal(readToken(kit, hop.token).subject, 'ana')
        assert.equal((await browser.get(hop.path)).headers.location, path)
      }
      assert.equal(visits, 1)
      assert.deepEqual(
        (await outcomes(kit, path)).filter(([peer]) => peer === 'forms'),
        [['forms', 'ended']]
      )
    })
  }

  test('an ending that is local by its nature asks nobody, and says so', async () => {
    const { kit, browser } = await world()
    await using _kit = kit
    await browser.get('/sso/terminatesession', typed)
    const run = (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail('no run')
    assert.ok((await outcomes(kit, `/signoff/${run.id}`)).every(([, kind]) => kind === 'not-asked'))
    assert.equal(await visit(browser, `/signoff/${run.id}`), undefined)
  })
})
