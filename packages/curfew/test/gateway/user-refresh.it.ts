import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentLogger } from '../../src/platform/logger.ts'
import { until } from '../support/until.ts'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions, type Mirrored } from './kit.ts'
import { Visitor } from './visitor.ts'

async function mailSeen(kit: GatewayKit, visitor: Visitor): Promise<string | undefined> {
  return (JSON.parse((await visitor.ask(`${kit.wiki}/notes`)).body) as Mirrored).headers['x-mail']
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
      await until('the application is told', async () => (await mailSeen(kit, ana)) === 'ana@example.com')
      assert.notEqual(ana.jar(kit.wiki).get('PA.ACE_ws'), before)
      // The cookie itself has them: a provider that is away changes nothing any more.
      await kit.stopAuthority()
      assert.equal(await mailSeen(kit, ana), 'ana@example.com')
    })

  test('one that no longer fits into the cookie refuses nobody: the former stay, and the log says so once', async () => {
    const warned: unknown[] = []
    const warn = (fields: { readonly event?: string; readonly code?: string }): void => {
      if (fields.event === 'gateway.refresh-too-large') warned.push(fields.code)
    }
    await using kit = await createGatewayKit({ webSession: { refreshUserSeconds: 1 }, logger: { ...silentLogger, warn } as typeof silentLogger })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/notes`)
    await kit.changeMail(`${'a'.repeat(4_000)}@example.com`)
    /** Each time the application is told the former ones. */
    const meanwhile = (what: string, holds: () => boolean | Promise<boolean>) =>
      until(what, async () => {
        assert.equal(await mailSeen(kit, ana), 'ana@example.org')
        return holds()
      })
    await meanwhile('the log says so', () => warned.length > 0)
    const asked = async (): Promise<number> => Number(/^curfew_gateway_user_refreshes_total\{result="fresh"\} (\d+)$/m.exec(await kit.metrics())?.[1])
    const twiceMore = (await asked()) + 2
    await meanwhile('the provider is asked twice more', async () => (await asked()) >= twiceMore)
    assert.deepEqual(warned, ['CURFEW_GATEWAY_COOKIE_TOO_LARGE'])
  })

  test('-1 asks never again', async () => {
    await using kit = await createGatewayKit({ webSession: { refreshUserSeconds: -1 } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/notes`)
    await kit.changeMail('ana@example.com')
    // A new sign-in sees the change as soon as the authority does; the session from before does not.
    await until('a new sign-in sees the change', async () => {
      const late = new Visitor()
      await late.open(`${kit.wiki}/notes`)
      return (await mailSeen(kit, late)) === 'ana@example.com'
    })
    assert.equal(await mailSeen(kit, ana), 'ana@example.org')
  })
})
