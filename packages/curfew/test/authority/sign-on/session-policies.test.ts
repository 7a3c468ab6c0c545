import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Session } from '../../../src/core/session.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { type Browser, formOf } from '../browser.ts'
import { createKit, type Kit, type KitOptions, signIn, signInTo } from '../kit.ts'
import { authorizationUrl, createOidcKit, follow, returned } from '../oidc/relying-party.ts'

async function sessionsOf(kit: Kit): Promise<readonly Session[]> {
  return kit.store.findByUser('local:ana')
}

/** Whether a partner that was not opened yet is opened without a question. */
async function isAsked(kit: Kit, browser: Browser, partner = 'intranet'): Promise<boolean> {
  const answered = await browser.get(await kit.partner(partner).ssoRedirect())
  if (answered.statusCode === 200) return false
  return /type="password"/.test((await browser.get(String(answered.headers.location))).body)
}

suite('a persistent cookie without its session cookie', () => {
  const sessions = { persistent: true }

  async function restarted(options: KitOptions = {}) {
    const kit = await createKit({ ...options, sessions: { ...sessions, ...options.sessions } })
    const browser = kit.browser()
    await signIn(browser, '/', 'ana', undefined, { persistent: 'yes' })
    const persistent = browser.cookies.get('PF.PERSISTENT') ?? assert.fail('no persistent cookie')
    const alone = (): Browser => {
      const copy = kit.browser()
      copy.cookies.set('PF.PERSISTENT', persistent)
      return copy
    }
    return { kit, browser, alone }
  }

  test('opens the session once and gets its session cookie again, which goes on opening it', async () => {
    const { kit, browser, alone } = await restarted()
    await using _ = kit
    const again = alone()
    for (let i = 0; i < 3; i++) assert.match((await again.get('/')).body, /Signed in as ana/)
    assert.equal(again.cookies.get('PF'), browser.cookies.get('PF'))
    assert.match((await browser.get('/')).body, /Signed in as ana/)
  })

  test('AC-125 a second time within 300 seconds is a replay: it opens nothing, and is written down', async () => {
    const { kit, browser, alone } = await restarted()
    await using _ = kit
    assert.match((await alone().get('/')).body, /Signed in as ana/)
    kit.clock.advance(299_999)
    const replayed = alone()
    assert.equal((await replayed.get('/')).statusCode, 303)
    assert.equal(replayed.cookies.get('PF'), undefined)
    assert.equal(await isAsked(kit, alone(), 'payroll'), true)
    const audit = await kit.store.listAudit({ limit: 20 })
    assert.equal(audit.filter(({ event }) => event === 'session.cookie-replayed').length, 3, 'once for each request')
    assert.match((await browser.get('/')).body, /Signed in as ana/, 'the browser with both cookies goes on')
  })

  test('AC-125 a session cookie of another session does not hide the replay', async () => {
    const { kit, alone } = await restarted()
    await using _ = kit
    await alone().get('/')
    const forged = alone()
    forged.cookies.set('PF', 'AAAAAAAAAAAAAAAAAAAAAA')
    assert.equal((await forged.get('/')).statusCode, 303)
  })

  test('AC-125 of many at once exactly one opens the session', async () => {
    const { kit, alone } = await restarted()
    await using _ = kit
    const answers = await Promise.all(Array.from({ length: 10 }, () => alone().get('/')))
    assert.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 1)
  })

  test('AC-125 after many at once nobody opens it again, wherever it is tried', async () => {
    const { kit, alone } = await restarted()
    await using _ = kit
    await Promise.all(Array.from({ length: 10 }, () => alone().get('/')))
    for (let i = 0; i < 2; i++) assert.equal((await alone().get('/')).statusCode, 303)
  })

  test('AC-125 opens it again after the time, or always with 0 seconds', async () => {
    const { kit, alone } = await restarted()
    await using _ = kit
    await alone().get('/')
    kit.clock.advance(300_000)
    assert.match((await alone().get('/')).body, /Signed in as ana/)
    const { kit: off, alone: aloneOff } = await restarted({ sessions: { persistentReplaySeconds: 0 } })
    await using __ = off
    for (let i = 0; i < 3; i++) assert.match((await aloneOff().get('/')).body, /Signed in as ana/)
  })

  test('a restarted browser is let in at an OpenID client, too, at its first request and at the next ones', async () => {
    await using kit = await createOidcKit({ sessions })
    const browser = kit.browser()
    await signIn(browser, '/', 'ana', undefined, { persistent: 'yes' })
    browser.cookies.delete('PF')
    for (const client of ['wiki', 'chat']) {
      const answered = await follow(browser, await browser.get(authorizationUrl(client)))
      assert.ok(returned(answered).get('code'), client)
    }
  })

  test('a restarted browser signs out by its first request: it is asked, and nothing is in its way', async () => {
    const { kit, alone } = await restarted()
    await using _ = kit
    const browser = alone()
    const form = formOf((await browser.get('/signoff')).body)
    const answered = await browser.post('/signoff', { ...form.fields, choice: 'everywhere' })
    assert.match(String(answered.headers.location), /^\/signoff\/run_/)
    assert.deepEqual(await sessionsOf(kit), [])
  })

  test('counts for one browser only: the restart of another is its own first time', async () => {
    const { kit, alone } = await restarted()
    await using _ = kit
    const other = kit.browser()
    await signIn(other, '/', 'ana', undefined, { persistent: 'yes' })
    await alone().get('/')
    other.cookies.delete('PF')
    assert.match((await other.get('/')).body, /Signed in as ana/)
  })
})

suite('This is my device', () => {
  const signOn = { asksDevice: true }
  const mine = { device: 'private' }

  async function kitWith(options: KitOptions = {}): Promise<Kit> {
    return createKit({ ...options, signOn, sessions: { persistent: true, ...options.sessions } })
  }

  test('AC-128 ticked: the sign-in serves other applications, and stays over a restart of the browser', async () => {
    await using kit = await kitWith()
    const browser = kit.browser()
    await signIn(browser, '/', 'ana', undefined, mine)
    assert.equal(await isAsked(kit, browser), false)
    assert.equal((await sessionsOf(kit))[0]?.device, 'private')
    browser.cookies.delete('PF')
    assert.equal(await isAsked(kit, browser, 'payroll'), false)
  })

  test('AC-128 left empty: no later request is served without a password, and nothing persistent is kept', async () => {
    await using kit = await kitWith()
    const browser = kit.browser()
    const page = await browser.get(String((await browser.get('/')).headers.location))
    assert.match(page.body, /<input type="checkbox" name="device" value="private" aria-describedby="device">/)
    assert.doesNotMatch(page.body, /name="persistent"/)
    await signIn(browser, '/', 'ana', undefined, { persistent: 'yes' })
    assert.equal(await isAsked(kit, browser), true)
    assert.equal(browser.cookies.get('PF.PERSISTENT'), undefined)
    const [session] = await sessionsOf(kit)
    assert.deepEqual([session?.device, session?.persistent, session?.persistentTokenHash], ['shared', false, undefined])
  })

  test('AC-128 left empty: a session that is there is removed by a run, and the next one serves nobody', async () => {
    await using kit = await kitWith({ partners: { payroll: {}, intranet: {} } })
    const browser = kit.browser()
    await signIn(browser, '/', 'ana', undefined, mine)
    await browser.get(await kit.partner('payroll').ssoRedirect())
    const [former] = await sessionsOf(kit)
    const forced = await browser.get(await kit.partner('payroll').ssoRedirect({ forceAuthn: true }))
    const answered = await signIn(browser, String(forced.headers.location))
    const run = String(answered.headers.location)
    assert.match(run, /^\/signoff\/run_/)
    assert.deepEqual(await sessionsOf(kit), [])
    assert.equal(await kit.store.isRevoked(former?.sri ?? '', kit.clock.nowMs()), true)
    const payroll = kit.partner('payroll')
    const away = await browser.get(`${run}/go`)
    await browser.get(await payroll.logoutAnswer(payroll.readLogoutRequest(String(away.headers.location))))
    const landed = await browser.get(`${run}/finish`)
    const done = await browser.get(String(landed.headers.location))
    assert.ok(payroll.readResponse(done.body).response.assertion)
    assert.equal((await sessionsOf(kit))[0]?.device, 'shared')
    assert.equal(await isAsked(kit, browser), true)
  })

  test('on a shared device the applications of one person stay in one session, so that one sign-out ends them all', async () => {
    await using kit = await kitWith({ partners: { payroll: {}, intranet: {} } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    await signInTo(kit, browser, 'intranet')
    const [session, ...others] = await sessionsOf(kit)
    assert.deepEqual([session?.device, others.length], ['shared', 0])
    assert.equal((await kit.store.getParticipants(session?.id ?? 'ses_')).length, 2)
  })

  test('ticked later: the session of that person serves others from then on, with new cookies', async () => {
    await using kit = await kitWith({ partners: { payroll: {}, intranet: {}, third: {} } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const [before] = await sessionsOf(kit)
    const cookie = browser.cookies.get('PF')
    kit.clock.advance(1_000)
    const first = await browser.get(await kit.partner('intranet').ssoRedirect())
    await signIn(browser, String(first.headers.location), 'ana', undefined, mine)
    const [after] = await sessionsOf(kit)
    assert.deepEqual([after?.id, after?.device, after?.persistent], [before?.id, 'private', true])
    assert.notEqual(browser.cookies.get('PF'), cookie)
    assert.equal(await isAsked(kit, browser, 'third'), false)
  })

  for (const [deviceType, onMine, onShared] of [
    ['private', false, true],
    ['shared', true, false],
    ['any', false, false]
  ] as const) {
    test(`AC-131 a policy for ${deviceType} devices: asked again on one's own ${onMine}, on a shared one ${onShared}`, async () => {
      for (const sessions of [{ deviceType }, { deviceType: deviceType === 'any' ? 'private' : 'any', sources: { form: { deviceType } } }] as const) {
        await using kit = await kitWith({ sessions })
        const [own, shared] = [kit.browser(), kit.browser()]
        await signIn(own, '/', 'ana', undefined, mine)
        await signIn(shared, '/')
        assert.deepEqual([await isAsked(kit, own), await isAsked(kit, shared)], [onMine, onShared])
      }
    })
  }

  test('AC-131 where nobody is asked whose the device is, every policy is fulfilled', async () => {
    for (const deviceType of ['private', 'shared', 'any'] as const) {
      await using kit = await createKit({ sessions: { deviceType } })
      const browser = kit.browser()
      await signIn(browser, '/')
      assert.equal(await isAsked(kit, browser), false)
      assert.equal((await sessionsOf(kit))[0]?.device, undefined)
    }
  })
})

suite('limits of single authentication sources', () => {
  test('AC-120 a source has its own idle and maximum limit, and the rest from the global policy', async () => {
    await using kit = await createKit({ sessions: { sources: { form: { idleMinutes: 5, maxMinutes: 30 } } } })
    await signIn(kit.browser(), '/')
    const [session] = await sessionsOf(kit)
    assert.deepEqual(
      [session?.idleTimeoutMs, (session?.expiresAtMs ?? 0) - kit.clock.nowMs(), (session?.idleExpiresAtMs ?? 0) - kit.clock.nowMs()],
      [5 * 60_000, 30 * 60_000, 5 * 60_000]
    )
  })

  test('AC-130 the form keeps its own state for 60 minutes without activity and 480 in all', async () => {
    await using kit = await createKit({ sessions: { enabled: false }, signOn: { sessionState: 'globally' } })
    const browser = kit.browser()
    await signIn(browser, '/')
    for (let i = 0; i < 8; i++) {
      kit.clock.advance(59 * 60_000)
      assert.equal(await isAsked(kit, browser), false, `after ${i + 1} times 59 minutes`)
    }
    kit.clock.advance(8 * 60_000)
    assert.equal(await isAsked(kit, browser), true, 'after 480 minutes')
    const idle = kit.browser()
    await signIn(idle, '/')
    kit.clock.advance(60 * 60_000)
    assert.equal(await isAsked(kit, idle), true, 'after 60 minutes without activity')
  })

  const base = `
server: { baseUrl: https://curfew.test }
saml: { keys: [{ key: k.pem, certificate: c.pem }] }
signOn: { users: users.yaml }
`
  for (const [what, sources, code] of [
    ['a source that nobody signs in at', '{ frm: { idleMinutes: 5 } }', 'CURFEW_CONFIG_UNKNOWN_KEY'],
    ['an idle limit above the global maximum', '{ form: { idleMinutes: 500 } }', 'CURFEW_CONFIG_VALUE'],
    ['a maximum below the global idle limit', '{ form: { maxMinutes: 59 } }', 'CURFEW_CONFIG_VALUE']
  ] as const) {
    test(`validate finds ${what}`, () => {
      const result = parseConfig(`${base}sessions: { secretFile: s, sources: ${sources} }\n`, 'curfew.yaml', { environment: {} })
      assert.ok(!result.ok)
      assert.deepEqual(
        result.findings.map((finding) => finding.code),
        [code]
      )
    })
  }

  test('validate takes limits of a source that fit', () => {
    const sources = '{ form: { idleMinutes: 500, maxMinutes: -1 } }'
    assert.equal(parseConfig(`${base}sessions: { secretFile: s, sources: ${sources} }\n`, 'curfew.yaml', { environment: {} }).ok, true)
  })
})
