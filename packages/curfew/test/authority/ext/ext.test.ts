import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { checkExtPaths } from '../../../src/authority/ext/registry.ts'
import { adapterLogouts } from '../../../src/cli/opentoken-setup.ts'
import { trusted } from '../../../src/authority/pages/html.ts'
import { createKit, type KitOptions, signIn, signInTo } from '../kit.ts'

const direct = { 'sec-fetch-site': 'none' }

async function refusedAtStart(options: KitOptions): Promise<void> {
  await assert.rejects(createKit(options), (error) => isCurfewError(error) && (assert.equal(error.code, 'CURFEW_CONFIG_EXT_PATH'), true))
}

suite('Paths under /ext', () => {
  test('AC-157 registered paths are served, others are not, and two registrations of one path stop the start', async () => {
    await using kit = await createKit({ adapterLogouts: [{ sourceId: 'form', path: '/logout' }] })
    assert.equal((await kit.browser().get('/ext/logout')).headers.location, '/signoff/done')
    assert.equal((await kit.browser().get('/ext/other')).statusCode, 404)
    await refusedAtStart({
      adapterLogouts: [
        { sourceId: 'form', path: '/logout' },
        { sourceId: 'portal', path: '/logout' }
      ]
    })
  })

  test('AC-092 a Logout Path begins with a slash and is not one of another adapter', async () => {
    for (const path of ['logout', '', '/', '/a b', '/../x', '/pickup', '/dropoff', '/ref/pickup', '/ref/dropoff', '/pwdchange/Identify'])
      await refusedAtStart({ adapterLogouts: [{ sourceId: 'form', path }] })
    assert.equal(checkExtPaths([{ path: '/a/b', owner: 'x', methods: ['GET'], handle: async () => assert.fail() }]).length, 1)
  })
})

suite('Logout Path of an adapter', () => {
  test('the session ends here only: its applications are shown as not asked, and nobody reads that they are signed out', async () => {
    await using kit = await createKit({ partners: { payroll: {} }, adapterLogouts: [{ sourceId: 'form', path: '/logout' }] })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const answer = await browser.get('/ext/logout', direct)
    const run = (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail('no run')
    assert.equal(answer.headers.location, `/signoff/${run.id}`)
    assert.deepEqual(
      run.deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind]),
      [['payroll', 'not-asked']]
    )
    assert.equal(run.state, 'done')
    assert.equal((await kit.store.listSessions({ state: 'live', limit: 1, nowMs: kit.clock.nowMs() })).items.length, 0)
    assert.equal(browser.cookies.get('PF'), undefined)
    assert.deepEqual(await kit.store.revocationFeed(0, 1), [], 'who follows the list goes on, too')
    assert.doesNotMatch((await browser.get(`/signoff/${run.id}`)).body, /safe to leave/)
  })

  test('AC-070 AC-093 the session ends, and the browser goes to the gateway logout: Logout Redirect wins over Logout Template', async () => {
    const template = trusted('<p>Bye from the form</p>')
    await using both = await createKit({ adapterLogouts: [{ sourceId: 'form', path: '/x', redirectUrl: 'https://gateway.test/pa/oidc/logout', template }] })
    const browser = both.browser()
    await signIn(browser, '/')
    assert.equal((await browser.get('/ext/x', direct)).headers.location, 'https://gateway.test/pa/oidc/logout')
    assert.equal((await both.store.listSessions({ state: 'live', limit: 1, nowMs: both.clock.nowMs() })).items.length, 0)
    await using page = await createKit({ adapterLogouts: [{ sourceId: 'form', path: '/x', template }] })
    const other = page.browser()
    await signIn(other, '/')
    const shown = await other.get('/ext/x', direct)
    assert.match(shown.body, /Bye from the form/)
    assert.match(shown.body, /\/signoff\/run_/)
  })

  test('AC-093 without Logout Redirect and Logout Template it ends at the standard page: who did not hear of it, or that nobody was signed in', async () => {
    await using kit = await createKit({ partners: { payroll: {} }, adapterLogouts: [{ sourceId: 'form', path: '/x' }] })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const ended = await browser.get(String((await browser.get('/ext/x', direct)).headers.location))
    assert.match(ended.body, /<h1>Not signed out everywhere<\/h1>/)
    assert.match(ended.body, /Not asked/)
    const again = await browser.get(String((await browser.get('/ext/x', direct)).headers.location))
    assert.match(again.body, /<h1>This browser has no session here<\/h1>/)
  })

  test('AC-093 as the configuration says it: Logout Redirect wins, the file of Logout Template is read, and where it is missing nothing starts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-ext-'))
    try {
      const [template, redirectUrl] = [join(folder, 'bye.html'), 'https://gateway.test/pa/oidc/logout']
      writeFileSync(template, '<p>Bye from the file</p>')
      const of = (adapterLogout: object) =>
        adapterLogouts({ signOn: { sourceId: 'form', adapterLogout: { path: '/x', ...adapterLogout } }, identityProviders: [] } as never)
      const shown = async (adapterLogout: object) => {
        await using kit = await createKit({ adapterLogouts: of(adapterLogout) })
        const browser = kit.browser()
        await signIn(browser, '/')
        const { headers, body } = await browser.get('/ext/x', direct)
        return [headers.location, body.includes('Bye from the file')]
      }
      assert.deepEqual(await shown({ template, redirectUrl }), [redirectUrl, false])
      assert.deepEqual(await shown({ redirectUrl }), [redirectUrl, false])
      assert.deepEqual(await shown({ template }), [undefined, true])
      assert.throws(() => of({ template: join(folder, 'missing.html') }), { code: 'CURFEW_CONFIG_FILE' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('a link of a stranger is asked about, the answer counts with its token only, and another source is left alone', async () => {
    const adapterLogouts = [
      { sourceId: 'form', path: '/form' },
      { sourceId: 'portal', path: '/portal' }
    ]
    await using kit = await createKit({ adapterLogouts })
    const browser = kit.browser()
    await signIn(browser, '/')
    const live = async (): Promise<number> => (await kit.store.listSessions({ state: 'live', limit: 5, nowMs: kit.clock.nowMs() })).items.length
    const asked = await browser.get('/ext/form', { 'sec-fetch-site': 'cross-site', referer: 'https://evil.test/' })
    assert.equal(asked.statusCode, 200)
    assert.equal((await browser.post('/ext/form', { choice: 'everywhere', csrfToken: 'x' })).statusCode, 403)
    await browser.get('/ext/portal', direct)
    assert.equal(await live(), 1)
    await browser.get('/ext/form', direct)
    assert.equal(await live(), 0)
  })
})
