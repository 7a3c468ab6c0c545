import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { GuardResponse } from '../../src/index.ts'
import { beginSignIn, begunBy, bringAnswer, cookieOf, createStage, idpEntity, postResponse, request, type Stage } from '../provider.ts'

/** Ana is signed in here in her browser, and Eve has an account at the same identity provider. */
async function inTwoBrowsers(): Promise<{ readonly stage: Stage; readonly ana: string; readonly eve: Awaited<ReturnType<typeof beginSignIn>> }> {
  const stage = createStage()
  const begun = await beginSignIn(stage)
  const session = cookieOf((await bringAnswer(stage, begun))?.headers)
  return { stage, ana: `${session}; ${begun.cookie}`, eve: await beginSignIn(stage, '/eve') }
}

const location = (answer: GuardResponse | undefined): string => String(answer?.headers['location'])
const get = (stage: Stage, target: string, cookie: string) => stage.provider.handle(request('GET', target, { cookie }))

/** Nobody was signed in but ana, and this answer hands out no session. */
function assertNobodyElse(stage: Stage, answer: GuardResponse | undefined): void {
  assert.ok(![answer?.headers['set-cookie'] ?? []].flat().some((line) => line.startsWith('app_session=')))
  const users = stage.events.flatMap((event) => (event.kind === 'signed-in' ? [event.session.nameId.value] : []))
  assert.deepEqual(users, ['ana'])
}

suite('Login CSRF at an application by SAML', () => {
  for (const [what, cookies] of [
    ['another site', () => undefined],
    ['the same site, with cookies', (ana: string) => ana]
  ] as const)
    test(`the answer that Eve asked for, in a form of ${what}, signs nobody in as Eve: the application asks who is there`, async () => {
      const { stage, ana, eve } = await inTwoBrowsers()
      const own = cookies(ana)
      const posted = await postResponse(
        stage,
        stage.response({ inResponseTo: eve.inResponseTo, user: 'eve', id: '_eve' }),
        own === undefined ? {} : { cookie: own }
      )
      assertNobodyElse(stage, posted)
      const answer = await get(stage, location(posted), ana)
      assertNobodyElse(stage, answer)
      assert.ok(location(answer).startsWith(`${idpEntity}/sso?`))
      assert.equal((await stage.provider.session(ana))?.nameId.value, 'ana')
      const again = await bringAnswer(stage, { ...begunBy(answer), cookie: ana })
      assert.equal((await stage.provider.session(cookieOf(again?.headers)))?.nameId.value, 'ana')
    })

  test('nor in a browser that never was here', async () => {
    const { stage, eve } = await inTwoBrowsers()
    const posted = await postResponse(stage, stage.response({ inResponseTo: eve.inResponseTo, user: 'eve', id: '_eve' }))
    const answer = await get(stage, location(posted), '')
    assertNobodyElse(stage, answer)
    assert.ok(location(answer).startsWith(`${idpEntity}/sso?`))
  })

  test('an answer that nobody asked for signs nobody in as Eve', async () => {
    const { stage, ana } = await inTwoBrowsers()
    const posted = await postResponse(stage, stage.response({ user: 'eve', id: '_eve' }))
    assertNobodyElse(stage, posted)
    const answer = await get(stage, location(posted), ana)
    assertNobodyElse(stage, answer)
    assert.ok(location(answer).startsWith(`${idpEntity}/sso?`))
  })

  test('an answer that Eve asked for is not one that nobody asked for, whatever she takes out around the assertion', async () => {
    const stage = createStage({}, undefined, { unsolicitedResponses: 'accept' })
    const { inResponseTo } = await beginSignIn(stage)
    const xml = stage.response({ inResponseTo, user: 'eve' })
    const posted = await postResponse(stage, xml.replace(/ InResponseTo="[^"]*"/, ''))
    assert.equal(posted?.status, 400)
    assert.deepEqual(
      stage.events.map((event) => (event.kind === 'refused' ? event.code : event.kind)),
      ['CURFEW_SAML_SUBJECT_CONFIRMATION']
    )
  })

  test('the address at which the answer of Eve waits for her, as a link for ana, signs nobody in as Eve, and is used up', async () => {
    const { stage, ana, eve } = await inTwoBrowsers()
    const posted = await postResponse(stage, stage.response({ inResponseTo: eve.inResponseTo, user: 'eve', id: '_eve' }))
    assertNobodyElse(stage, await get(stage, location(posted), ana))
    const late = await get(stage, location(posted), eve.cookie)
    assert.equal(late?.status, 400)
    assertNobodyElse(stage, late)
  })
})
