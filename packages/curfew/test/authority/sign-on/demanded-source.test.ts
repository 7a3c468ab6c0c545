import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../browser.ts'
import { formOf } from '../browser.ts'
import { signIn } from '../kit.ts'
import { password, settingsOf } from '../opentoken/application.ts'
import { createHub, type Hub, liveSessions } from '../saml-sp/hub.ts'

const changePage = '/ext/pwdchange/Identify'
const fresh = 'seven wet umbrellas'

function createFormHub(): Promise<Hub> {
  const adapters = {
    applications: [settingsOf('forms')],
    logins: [{ id: 'portal', password, authenticationService: 'http://portal.test/login', attributes: {} }]
  }
  return createHub({ signOn: { hasForm: true }, adapters })
}

/** The resume path of a sign-in that was begun here, and the part of it that names it. */
async function begun(browser: Browser, url: string): Promise<{ readonly path: string; readonly nonce: string }> {
  const path = String((await browser.get(url)).headers.location)
  return { path, nonce: /^\/idp\/([\w-]{22})\//.exec(path)?.[1] ?? assert.fail(path) }
}

/** A form of this browser for a sign-in that anybody may finish, sent for another one. */
async function sentFor(browser: Browser, path: string) {
  const own = await begun(browser, '/')
  const { fields } = formOf((await browser.get(own.path)).body)
  return browser.post(path, { ...fields, username: 'ana', password: 'correct horse' })
}

suite('a sign-in that another source has to prove', () => {
  for (const [name, url] of [
    ['an identity provider', (hub: Hub) => `/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent(hub.upstream.entityId)}`],
    [
      'an identity provider, for an application',
      (hub: Hub) => `/sp/startSSO.ping?SpSessionAuthnAdapterId=forms&PartnerIdpId=${encodeURIComponent(hub.upstream.entityId)}`
    ],
    ['a login application', () => '/pf/adapter2adapter.ping?SpSessionAuthnAdapterId=forms&IdpAdapterId=portal']
  ] as const) {
    test(`is not finished with a password where it is ${name}`, async () => {
      const hub = await createFormHub()
      await using _ = hub.kit
      const browser = hub.kit.browser()
      const { path, nonce } = await begun(browser, url(hub))
      assert.equal((await sentFor(browser, path)).statusCode, 403)
      assert.equal((await browser.get(`${changePage}?resume=${nonce}`)).statusCode, 403)
      const { fields } = formOf((await browser.get(changePage)).body)
      const changed = await browser.post(changePage, {
        ...fields,
        resume: nonce,
        username: 'ana',
        current: 'correct horse',
        password: fresh,
        repeated: fresh
      })
      assert.equal(changed.statusCode, 403)
      assert.match(changed.body, /CURFEW_SESSION_PROVIDER_DEMANDED/)
      assert.deepEqual(await liveSessions(hub.kit), [])
      assert.equal((await signIn(browser, '/')).statusCode, 303, 'the password is as it was')
      assert.match(String((await browser.get(path)).headers.location), /^https?:\/\/(?!curfew\.test)/, 'the sign-in still waits for its source')
    })
  }

  test('shows no form where the source is not there, and does where it is the form', async () => {
    const hub = await createFormHub()
    await using _ = hub.kit
    const browser = hub.kit.browser()
    const { path } = await begun(browser, '/pf/adapter2adapter.ping?SpSessionAuthnAdapterId=forms&IdpAdapterId=nobody')
    assert.match((await browser.get(path)).body, /CURFEW_SESSION_PROVIDER_DEMANDED/)
    const answered = await signIn(browser, '/pf/adapter2adapter.ping?SpSessionAuthnAdapterId=forms&IdpAdapterId=form')
    assert.match(String(answered.headers.location), /[?&]opentoken=/)
    assert.equal((await liveSessions(hub.kit)).length, 1)
  })
})
