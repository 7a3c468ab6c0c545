import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createKit, type Kit, signIn } from '../authority/kit.ts'

const cookieHeader = (...pairs: readonly string[]) => ({ cookie: pairs.join('; '), accept: 'text/html', 'sec-fetch-site': 'none' })

/** Ana in one browser, the attacker in another, and what each of their cookies says. */
async function twoSessions(): Promise<{ readonly kit: Kit; readonly own: string; readonly planted: string }> {
  const kit = await createKit()
  const [ana, ben] = [kit.browser(), kit.browser()]
  await signIn(ana, '/')
  await signIn(ben, '/', 'ben')
  return { kit, own: `PF=${ana.cookies.get('PF')}`, planted: `PF=${ben.cookies.get('PF')}` }
}

suite('Cookie tossing: a cookie that another host of the domain has planted', () => {
  test('two session cookies open no session, neither in front nor behind', async () => {
    const { kit: made, own, planted } = await twoSessions()
    await using kit = made
    for (const pairs of [
      [planted, own],
      [own, planted],
      [own, 'PF=x'],
      [own, own]
    ]) {
      const page = await kit.app.inject({ method: 'GET', url: '/', headers: cookieHeader(...pairs) })
      assert.equal(page.statusCode, 400)
      assert.match(page.body, /CURFEW_SESSION_COOKIE_AMBIGUOUS/)
      assert.doesNotMatch(page.body, /\bana\b|\bben\b/)
    }
  })

  test('no logout passes over the session behind the other cookie: it is refused, never said to be done', async () => {
    const { kit: made, own, planted } = await twoSessions()
    await using kit = made
    for (const url of ['/idp/startSLO.ping', '/sp/startSLO.ping', '/signoff']) {
      const answer = await kit.app.inject({ method: 'GET', url, headers: cookieHeader('PF=AAAAAAAAAAAAAAAAAAAAAA', own) })
      assert.deepEqual([url, answer.statusCode], [url, 400])
      assert.equal((await kit.app.inject({ method: 'GET', url, headers: cookieHeader(planted, own) })).statusCode, 400)
    }
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
    assert.equal((await kit.store.findByUser('local:ben')).length, 1)
  })

  test('a form cookie that was planted beside the real one signs nobody in as somebody else', async () => {
    await using kit = await createKit()
    const attacker = kit.browser()
    let page = await attacker.get('/')
    while (page.statusCode === 303) page = await attacker.get(String(page.headers.location))
    const action = /<form method="post" action="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail('no form')
    const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail('no token')
    const answer = await kit.app.inject({
      method: 'POST',
      url: action,
      headers: {
        ...cookieHeader(`PF.FORM=${attacker.cookies.get('PF.FORM')}`, 'PF.FORM=AAAAAAAAAAAAAAAAAAAAAA'),
        'content-type': 'application/x-www-form-urlencoded'
      },
      payload: new URLSearchParams({ csrfToken, username: 'ben', password: 'battery staple' }).toString()
    })
    assert.equal(answer.statusCode, 400)
    assert.deepEqual(await kit.store.findByUser('local:ben'), [])
  })

  test('both are removed, where they can have been set, and the next visit is a plain one', async () => {
    await using kit = await createKit()
    const headers = { ...cookieHeader('PF=AAAAAAAAAAAAAAAAAAAAAA', 'PF=BBBBBBBBBBBBBBBBBBBBBB'), host: 'login.corp.example' }
    const answer = await kit.app.inject({ method: 'GET', url: '/idp/startSLO.ping?x=1', headers })
    const removed = [answer.headers['set-cookie']].flat().map(String)
    for (const where of [
      'Path=/; Max-Age=0',
      'Path=/idp; Max-Age=0',
      'Path=/; Domain=login.corp.example; Max-Age=0',
      'Path=/; Domain=corp.example; Max-Age=0',
      'Path=/idp/startSLO.ping; Domain=corp.example; Max-Age=0'
    ])
      assert.ok(removed.includes(`PF=; ${where}`), where)
    assert.ok(removed.every((line) => line.startsWith('PF=; Path=/') && line.length < 200))
  })

  test('one cookie each, and cookies of others however often, are no reason to refuse', async () => {
    const { kit: made, own } = await twoSessions()
    await using kit = made
    const page = await kit.app.inject({ method: 'GET', url: '/', headers: cookieHeader('x=1', own, 'x=2', 'PF.FORM=AAAAAAAAAAAAAAAAAAAAAA', 'PFX=1', 'PFX=2') })
    assert.equal(page.statusCode, 200)
    assert.match(page.body, /ana/)
  })
})
