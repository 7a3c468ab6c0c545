import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { createGatewayKit, type GatewayKit } from '../gateway/kit.ts'
import { Visitor } from '../gateway/visitor.ts'

/** Paths that a browser takes for another host when they stand alone in `Location`. */
const lures = ['//evil.example/x', '///evil.example/x', '//evil.example', '//evil.example:443/a?b=c', '//user@evil.example/']

suite('Redirects of the gateway', () => {
  let kit: GatewayKit

  before(async () => {
    kit = await createGatewayKit({ gateway: { trustedProxies: ['127.0.0.1'], forwardAuth: ['forwarded'] } })
  })

  after(() => kit[Symbol.asyncDispose]())

  /** Signs in from an address; every redirect on the way, and where it ended. */
  async function way(address: string): Promise<readonly string[]> {
    const ana = new Visitor()
    const locations: string[] = []
    const follow = async (url: string): Promise<void> => {
      const answer = await ana.ask(url)
      const { location } = answer.headers
      if (location !== undefined) {
        const next = new URL(location, url).href
        locations.push(next)
        if (isOurs(next)) return follow(next)
      } else if (answer.body.includes('type="password"')) {
        const page = await ana.fillIn(answer).catch((error: unknown) => assert.fail(`it leads to a host that is not there: ${String(error)}`))
        locations.push(page.url)
      }
    }
    await follow(address)
    return locations
  }

  const isOurs = (url: string) => [kit.issuer, kit.wiki, kit.shop].includes(new URL(url).origin)

  test('after a sign-in a browser lands on the origin that it asked, whatever the path looks like', async () => {
    for (const lure of lures) {
      const locations = await way(kit.wiki + lure)
      assert.ok(locations.length >= 2 && locations.every(isOurs), `${lure}: ${locations.join(' ')}`)
      assert.equal(locations.at(-1), kit.wiki + lure)
    }
  })

  test('/oidc/start leads to its own origin, or to the start of the application', async () => {
    const wishes = {
      ...Object.fromEntries(lures.map((lure) => [lure, kit.wiki + lure])),
      '/\\evil.example/x': `${kit.wiki}/`,
      'https://evil.example/': `${kit.wiki}/`
    }
    for (const [wish, expected] of Object.entries(wishes)) {
      const locations = await way(`${kit.wiki}/pa/oidc/start?${new URLSearchParams({ target: wish }).toString()}`)
      assert.ok(locations.every(isOurs), `${wish}: ${locations.join(' ')}`)
      assert.equal(locations.at(-1), expected)
    }
  })

  test('another proxy is told an address of the origin that was asked', async () => {
    for (const uri of lures) {
      const headers = { 'x-forwarded-host': new URL(kit.wiki).host, 'x-forwarded-uri': uri, 'x-forwarded-method': 'GET' }
      const { status, headers: told } = await new Visitor().ask(`${kit.wiki}/pa/auth/forwarded`, { headers })
      assert.deepEqual([status, new URL(told.location ?? '').origin], [303, kit.wiki])
    }
  })
})
