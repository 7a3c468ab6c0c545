import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions, type Mirrored } from './kit.ts'
import { Visitor } from './visitor.ts'

async function mailSeen(kit: GatewayKit, visitor: Visitor): Promise<string | undefined> {
  return (JSON.parse((await visitor.ask(`${kit.wiki}/notes`)).body) as Mirrored).headers['x-mail']
}

async function untilMail(kit: GatewayKit, visitor: Visitor, wanted: string): Promise<void> {
  const endMs = performance.now() + 10_000
  for (;;) {
    const mail = await mailSeen(kit, visitor)
    if (mail === wanted) return
    if (performance.now() > endMs) throw new Error(`the application is still told ${mail}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

suite('Attributes of a user that change while a web session lives', () => {
  for (const cookieType of ['encrypted', 'signed'] as const)
    test(`the application hears of them after the interval, and the ${cookieType} cookie keeps them`, async () => {
      const webSession: GatewayKitOptions['webSession'] = { cookieType, refreshUserSeconds: 1 }
      await using kit = await createGatewayKit({ webSession })
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/notes`)
      assert.equal(await mailSeen(kit, ana), 'ana@example.org')
      const before = ana.jar(kit.wiki).get('PA.ACE_ws')
      await kit.changeMail('ana@example.com')
      await untilMail(kit, ana, 'ana@example.com')
      assert.notEqual(ana.jar(kit.wiki).get('PA.ACE_ws'), before)
      // The cookie itself has them: a provider that is away changes nothing any more.
      await kit.stopAuthority()
      assert.equal(await mailSeen(kit, ana), 'ana@example.com')
    })

  test('-1 asks never again', async () => {
    await using kit = await createGatewayKit({ webSession: { refreshUserSeconds: -1 } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/notes`)
    await kit.changeMail('ana@example.com')
    // A new sign-in sees the change as soon as the authority does; the session from before does not.
    const endMs = performance.now() + 10_000
    for (let mail: string | undefined; mail !== 'ana@example.com'; ) {
      assert.ok(performance.now() < endMs)
      const late = new Visitor()
      await late.open(`${kit.wiki}/notes`)
      mail = await mailSeen(kit, late)
    }
    assert.equal(await mailSeen(kit, ana), 'ana@example.org')
  })
})
