import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { groupOf } from '../../src/core/group.ts'
import { type Kit, signIn } from '../authority/kit.ts'
import { password, settingsOf } from '../authority/opentoken/application.ts'
import { createTwoGroups, type TwoGroups } from './groups-kit.ts'

const reference = { username: 'app', password: 'app secret' }
/** Its name is as long as a reference could be. */
const portal = 'employee-portal-of-the-works-council-one'

function withReferences(): Promise<TwoGroups> {
  const login = { id: portal, password, authenticationService: 'http://portal.test/login', transport: 'reference' as const, reference }
  return createTwoGroups({ partners: {}, adapters: { applications: [settingsOf('forms', { transport: 'reference', reference })], logins: [login] } })
}

const headersOf = (id: string) => ({ accept: 'application/json', 'ping.uname': reference.username, 'ping.pwd': reference.password, 'ping.instanceid': id })

function pickUp(groups: TwoGroups, at: Kit, ref: string) {
  return groups.while(at.app.inject({ url: `/ext/ref/pickup?REF=${ref}`, headers: headersOf('forms') }))
}

async function dropOff(groups: TwoGroups, at: Kit): Promise<string> {
  const request = { method: 'POST' as const, url: '/ext/ref/dropoff', headers: headersOf(portal), payload: { subject: 'zoe' } }
  return (await groups.while(at.app.inject(request))).json<{ REF: string }>().REF
}

function refOf(location: unknown): string {
  return new URL(String(location)).searchParams.get('REF') ?? assert.fail(String(location))
}

/** A person of one group waits at the login application; returns the path by which the browser comes back. */
async function away(at: Kit, browser = at.browser()) {
  const start = await browser.get(`/pf/adapter2adapter.ping?SpSessionAuthnAdapterId=forms&IdpAdapterId=${portal}`)
  const { headers } = await browser.get(String(start.headers.location))
  return { browser, path: new URL(String(headers.location)).searchParams.get('resumePath') ?? assert.fail() }
}

suite('References that are taken at another group', () => {
  test('an application picks up at any group what one of them left for it, once', async () => {
    await using groups = await withReferences()
    for (const [at, other] of [
      [groups.berlin, groups.paris],
      [groups.paris, groups.berlin]
    ] as const) {
      const browser = at.browser()
      await signIn(browser, '/')
      const ref = refOf((await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')).headers.location)
      assert.equal(groupOf(ref), at.ctx.ids.group)
      const picked = await pickUp(groups, other, ref)
      assert.equal(picked.json<{ subject: string }>().subject, 'ana')
      for (const again of [at, other]) assert.equal((await pickUp(groups, again, ref)).statusCode, 400)
    }
  })

  test('what a login application left at one group signs in at another, once', async () => {
    await using groups = await withReferences()
    const ref = await dropOff(groups, groups.berlin)
    assert.equal(groupOf(ref), groups.berlin.ctx.ids.group)
    const { browser, path } = await away(groups.paris)
    const parked = await groups.while(browser.get(`${path}?REF=${ref}`))
    const done = await groups.while(browser.get(String(parked.headers.location)))
    const picked = await pickUp(groups, groups.berlin, refOf(done.headers.location))
    assert.equal(picked.json<{ subject: string }>().subject, 'zoe')
    for (const kit of [groups.berlin, groups.paris]) {
      const again = await away(kit)
      assert.equal((await groups.while(again.browser.get(`${again.path}?REF=${ref}`))).statusCode, 400)
    }
  })

  test('a group that is away is said to be, and the reference is not called unknown', async () => {
    await using groups = await withReferences()
    const ref = await dropOff(groups, groups.paris)
    const { browser, path } = await away(groups.berlin)
    groups.cutParis()
    const answer = await groups.while(browser.get(`${path}?REF=${ref}`))
    assert.equal(answer.statusCode, 503)
    assert.match(answer.body, /CURFEW_GROUP_UNREACHABLE/)
  })

  test('one that was made up leads nowhere', async () => {
    await using groups = await withReferences()
    for (const ref of [`b${'x'.repeat(39)}`, `a${'x'.repeat(39)}`, `z${'x'.repeat(39)}`])
      assert.equal((await pickUp(groups, groups.berlin, ref)).statusCode, 400)
  })
})
