import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../authority/browser.ts'
import { createKit, type Kit, signIn } from '../authority/kit.ts'

const planted = 'AAAAAAAAAAAAAAAAAAAAAA'

/** Whose start page a browser with this session cookie sees. */
async function who(kit: Kit, value: string | undefined): Promise<string | undefined> {
  const page = await kit.app.inject({ method: 'GET', url: '/', headers: { cookie: `PF=${value}`, accept: 'text/html' } })
  return page.statusCode === 200 ? /\b(ana|ben)\b/.exec(page.body)?.[1] : undefined
}

async function form(browser: Browser): Promise<{ readonly action: string; readonly csrfToken: string }> {
  let page = await browser.get('/')
  while (page.statusCode === 303) page = await browser.get(String(page.headers.location))
  const action = /<form method="post" action="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail('no form')
  return { action, csrfToken: /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail('no token') }
}

suite('Session fixation', () => {
  test('a session cookie that was there before the sign-in is not the one after it', async () => {
    await using kit = await createKit()
    const victim = kit.browser()
    victim.cookies.set('PF', planted)
    await signIn(victim, '/')
    assert.notEqual(victim.cookies.get('PF'), planted)
    assert.equal(await who(kit, victim.cookies.get('PF')), 'ana')
    assert.equal(await who(kit, planted), undefined)
  })

  test('the cookie of a session that ended does not open the next one of the same browser', async () => {
    await using kit = await createKit()
    const victim = kit.browser()
    await signIn(victim, '/')
    const former = victim.cookies.get('PF') ?? assert.fail()
    await victim.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
    victim.cookies.set('PF', former)
    await signIn(victim, '/')
    assert.notEqual(victim.cookies.get('PF'), former)
    assert.equal(await who(kit, former), undefined)
    assert.equal(await who(kit, victim.cookies.get('PF')), 'ana')
  })

  test('who signs in where the attacker is signed in gets a session of its own, and the attacker’s ends', async () => {
    await using kit = await createKit()
    const attacker = kit.browser()
    await signIn(attacker, '/', 'ben')
    const fixed = attacker.cookies.get('PF') ?? assert.fail()
    // Sent on by a link, the victim meets the form with the session of the attacker already there.
    await attacker.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
    const victim = kit.browser()
    victim.cookies.set('PF', fixed)
    await signIn(victim, '/')
    assert.equal(await who(kit, fixed), undefined)
    assert.equal(await who(kit, victim.cookies.get('PF')), 'ana')
  })

  test('a form that was made for the attacker’s browser signs the victim’s in as nobody', async () => {
    await using kit = await createKit()
    const { action, csrfToken } = await form(kit.browser())
    const victim = kit.browser()
    await form(victim)
    const answer = await victim.post(action, { csrfToken, username: 'ben', password: 'battery staple' })
    assert.notEqual(answer.statusCode, 200)
    assert.equal(victim.cookies.get('PF'), undefined)
    assert.deepEqual(await kit.store.findByUser('local:ben'), [])
  })

  test('a transaction that one browser finished is nothing for another', async () => {
    await using kit = await createKit()
    const attacker = kit.browser()
    const { action, csrfToken } = await form(attacker)
    await attacker.post(action, { csrfToken, username: 'ben', password: 'battery staple' })
    const victim = kit.browser()
    assert.doesNotMatch((await victim.get(action)).body, /\bben\b/)
    assert.equal(victim.cookies.get('PF'), undefined)
  })
})
