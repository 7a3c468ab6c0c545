import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openTokenKey, writeOpenToken } from '@curfew/codecs'
import type { Browser } from '../authority/browser.ts'
import type { Kit } from '../authority/kit.ts'
import { answerToken, createAdapterKit, open, outcomes, runOf, settingsOf, startLogout, type Visit, visit } from '../authority/opentoken/application.ts'

interface Scene {
  readonly kit: Kit
  readonly browser: Browser
  readonly run: string
  readonly hop: Visit
}

/** `ana` is at the Logout Service of the first application. */
async function away(...ids: readonly string[]): Promise<Scene> {
  const kit = await createAdapterKit((ids.length === 0 ? ['forms'] : ids).map((id) => settingsOf(id)))
  const browser = kit.browser()
  for (const { id } of kit.ctx.adapters.all()) {
    await open(browser, id)
    kit.clock.advance(1_000)
  }
  const run = await startLogout(browser)
  return { kit, browser, run, hop: (await visit(browser, run)) ?? assert.fail('no hop') }
}

suite('Attacks on resume paths', () => {
  test('AC-028 a second use shows the state-not-found page and changes nothing', async () => {
    const { kit, browser, run, hop } = await away()
    await using _kit = kit
    await browser.get(hop.path)
    const before = await runOf(kit, run)
    for (const again of [hop.path, `${hop.path}?error=x`]) {
      const answer = await browser.get(again)
      assert.equal(answer.statusCode, 400)
      assert.match(answer.body, /CURFEW_SESSION_STATE_NOT_FOUND/)
    }
    assert.deepEqual(await runOf(kit, run), before)
  })

  test('AC-023 raced 100 times, exactly one request goes on', async () => {
    const { kit, browser, run, hop } = await away()
    await using _kit = kit
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answers = await Promise.all(Array.from({ length: 100 }, () => kit.app.inject({ method: 'GET', url: hop.path, headers: { cookie } })))
    assert.equal(answers.filter(({ statusCode }) => statusCode === 303).length, 1)
    assert.equal(answers.filter(({ statusCode }) => statusCode === 400).length, 99)
    assert.deepEqual(await outcomes(kit, run), [['forms', 'ended']])
  })

  test('stolen, it is worth nothing in another browser, signed in or not, and stays good for its own', async () => {
    const { kit, browser, run, hop } = await away()
    await using _kit = kit
    const nobody = kit.browser()
    const somebody = kit.browser()
    await open(somebody, 'forms', 'ben')
    for (const thief of [nobody, somebody]) {
      assert.equal((await thief.get(hop.path)).statusCode, 400)
      const posted = await thief.post(hop.path, { error: 'x' })
      assert.equal(posted.statusCode === 303 ? (await thief.get(String(posted.headers.location))).statusCode : posted.statusCode, 400)
    }
    assert.deepEqual(await outcomes(kit, run), [['forms', undefined]])
    assert.equal((await browser.get(hop.path)).statusCode, 303)
    assert.deepEqual(await outcomes(kit, run), [['forms', 'ended']])
  })

  test('made up, changed by one character, taken for the other role or too old, it is refused', async () => {
    const { kit, browser, run, hop } = await away()
    await using _kit = kit
    const [, , nonce = ''] = hop.path.split('/')
    const at = (changed: string): string => hop.path.replace(nonce, changed)
    const [random = '', sealed = ''] = nonce.split('.')
    const flipped = sealed.slice(0, -1) + (sealed.endsWith('A') ? 'B' : 'A')
    const wrong = [at('fhGTx'), at(`${random}.${flipped}`), at(`${'A'.repeat(22)}.${sealed}`), at(random), at('..'), hop.path.replaceAll('/sp', '/idp')]
    for (const path of wrong) assert.ok([400, 404].includes((await browser.get(path)).statusCode), path)
    assert.deepEqual(await outcomes(kit, run), [['forms', undefined]])
    kit.clock.advance(31 * 60_000)
    assert.equal((await browser.get(hop.path)).statusCode, 400)
    assert.notEqual((await outcomes(kit, run))[0]?.[1], 'ended')
  })

  test('the path of one application says nothing for another', async () => {
    const { kit, browser, run, hop } = await away('forms', 'desk')
    await using _kit = kit
    await browser.get(hop.path)
    const second = (await visit(browser, run)) ?? assert.fail()
    assert.equal((await browser.get(hop.path)).statusCode, 400)
    assert.deepEqual(await outcomes(kit, run), [
      ['forms', 'ended'],
      ['desk', undefined]
    ])
    assert.equal(second.url.host, 'desk.test')
    const sealed = (path: string): string => path.split('/')[2]?.split('.')[1] ?? ''
    assert.notEqual(sealed(hop.path), sealed(second.path), 'two applications can not compare their paths')
  })
})

suite('Attacks on answers', () => {
  const cases: Readonly<Record<string, (scene: Scene) => string>> = {
    'made with another password': ({ kit, hop }) => forgedAnswer(kit, hop.path, 'wrong secret'),
    'about another user': ({ kit, hop }) => answerToken(kit, 'ben', hop.path, 'ended'),
    'about another resume path': ({ kit }) => answerToken(kit, 'ana', '/sp/x/resume/sp/startSLO.ping', 'ended'),
    'that is the token of the visit itself': ({ hop }) => hop.token,
    'that is cut short': ({ kit, hop }) => answerToken(kit, 'ana', hop.path, 'ended').slice(0, -4),
    'that is no token': () => 'ended'
  }
  for (const [what, token] of Object.entries(cases)) {
    test(`an answer ${what} ends nothing, and the logout goes on`, async () => {
      const scene = await away()
      await using kit = scene.kit
      const back = await scene.browser.get(`${scene.hop.path}?opentoken=${encodeURIComponent(token(scene))}`)
      assert.equal(back.headers.location, scene.run)
      assert.deepEqual(await outcomes(kit, scene.run), [['forms', 'unconfirmed']])
    })
  }

  test('an answer that is too old ends nothing', async () => {
    const { kit, browser, run, hop } = await away()
    await using _kit = kit
    const old = answerToken(kit, 'ana', hop.path, 'ended')
    kit.clock.advance(61_000)
    await browser.get(`${hop.path}?opentoken=${old}`)
    assert.notEqual((await outcomes(kit, run))[0]?.[1], 'ended')
  })
})

function forgedAnswer(kit: Kit, path: string, password: string): string {
  const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
  const statement = { subject: 'ana', attributes: { resume: [path], logout: ['ended'] }, notBefore: now, notOnOrAfter: now.add({ seconds: 60 }) }
  return writeOpenToken(statement, openTokenKey(2, password), Buffer.alloc(16))
}
