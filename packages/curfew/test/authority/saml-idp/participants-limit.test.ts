import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { participantsPerSessionMax } from '../../../src/core/limits.ts'
import { createKit, signInTo } from '../kit.ts'

suite('Participants of one session', () => {
  test('a session that is full takes no further application and keeps those it has', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const [session] = await kit.store.findByUser('local:ana')
    assert.ok(session)
    const [known] = await kit.store.getParticipants(session.id)
    assert.ok(known)
    for (let i = 1; i < participantsPerSessionMax; i++)
      await kit.store.addParticipant(session.id, { ...known, id: `other${i}:1`, peerId: `other${i}`, sessionIndex: `index ${i}` })
    const refused = await browser.get(await kit.partner('intranet').ssoRedirect())
    assert.equal(refused.body.includes('SAMLResponse'), false)
    assert.equal(refused.statusCode, 503)
    assert.equal((await kit.store.getParticipants(session.id)).length, participantsPerSessionMax)
    const again = await browser.get(await kit.partner('payroll').ssoRedirect())
    assert.equal(again.statusCode, 200, 'an application that is in the session goes on')
  })
})
