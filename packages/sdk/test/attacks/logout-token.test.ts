import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { suite, test } from 'node:test'
import { backChannelLogoutEvent } from '@curfew/codecs'
import { SignJWT } from 'jose'
import { createMemorySessionRegistry } from '../../src/index.ts'
import { browserOf, issuer, setting, type Setting, signIn } from '../openid-provider.ts'

const back = '/oidc/backchannel-logout'
const form = (token: string): string => new URLSearchParams({ logout_token: token }).toString()
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Every claim of a good logout token, so that only the attack itself can be what is refused. */
function claimsOf(world: Setting): Readonly<Record<string, unknown>> {
  const iat = Math.floor(world.clock.nowMs / 1000)
  return { iss: issuer, aud: 'wiki', iat, exp: iat + 120, jti: 'attack', sub: 'ana', sid: 's1', events: { [backChannelLogoutEvent]: {} } }
}

interface Attack {
  readonly code: string
  readonly token: (world: Setting) => Promise<string>
}

const typ = 'logout+jwt'

const attacks: Readonly<Record<string, Attack>> = {
  'alg none': {
    code: 'CURFEW_OIDC_TOKEN_ALGORITHM',
    token: async (world) => `${encoded({ alg: 'none', typ })}.${encoded(claimsOf(world))}.`
  },
  'alg None, in other letters': {
    code: 'CURFEW_OIDC_TOKEN_ALGORITHM',
    token: async (world) => `${encoded({ alg: 'nOnE', typ })}.${encoded(claimsOf(world))}.`
  },
  'a good signature that was cut off': {
    code: 'CURFEW_OIDC_TOKEN_SIGNATURE',
    token: async (world) => `${(await world.sign(claimsOf(world), { typ })).split('.').slice(0, 2).join('.')}.`
  },
  'the public key used as the secret of HS256': {
    code: 'CURFEW_OIDC_TOKEN_ALGORITHM',
    token: async (world) => {
      const text = `${encoded({ alg: 'HS256', typ, kid: 'k1' })}.${encoded(claimsOf(world))}`
      return `${text}.${createHmac('sha256', JSON.stringify(world.keys[0]?.jwk)).update(text).digest('base64url')}`
    }
  },
  'the client secret used for HS256': {
    code: 'CURFEW_OIDC_TOKEN_ALGORITHM',
    token: async (world) => new SignJWT(claimsOf(world)).setProtectedHeader({ alg: 'HS256', typ }).sign(Buffer.from('a secret that is long enough'))
  },
  'a key that came with the token': {
    code: 'CURFEW_OIDC_TOKEN_SIGNATURE',
    token: async (world) => {
      const own = setting()
      const jwk = own.keys[0]?.jwk as { kty: string }
      return own.sign(claimsOf(world), { typ, kid: 'k1', jwk })
    }
  },
  'an extension that nobody here understands': {
    code: 'CURFEW_OIDC_TOKEN_TYPE',
    token: async (world) => {
      const text = `${encoded({ alg: 'ES256', typ, kid: 'k1', crit: ['x'], x: 1 })}.${encoded(claimsOf(world))}`
      return `${text}.AAAA`
    }
  },
  'an ID token': {
    code: 'CURFEW_OIDC_TOKEN_TYPE',
    token: async (world) => world.sign({ ...claimsOf(world), events: undefined, nonce: 'n' }, { typ: 'JWT' })
  },
  'an ID token that pretends to be typed': {
    code: 'CURFEW_OIDC_LOGOUT_EVENT',
    token: async (world) => world.sign({ ...claimsOf(world), events: undefined }, { typ })
  },
  'a security event token': {
    code: 'CURFEW_OIDC_TOKEN_TYPE',
    token: async (world) =>
      world.sign({ ...claimsOf(world), events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} } }, { typ: 'secevent+jwt' })
  },
  'a security event of another kind, typed as a logout token': {
    code: 'CURFEW_OIDC_LOGOUT_EVENT',
    token: async (world) => world.sign({ ...claimsOf(world), events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} } }, { typ })
  },
  'an access token': {
    code: 'CURFEW_OIDC_TOKEN_TYPE',
    token: async (world) => world.sign({ ...claimsOf(world), events: undefined, scope: 'openid', client_id: 'wiki' }, { typ: 'at+jwt' })
  },
  'a token of another issuer with the same keys': {
    code: 'CURFEW_OIDC_TOKEN_CLAIM',
    token: async (world) => world.sign({ ...claimsOf(world), iss: 'https://op.example.evil' }, { typ })
  },
  'an issuer with a slash at its end': {
    code: 'CURFEW_OIDC_TOKEN_CLAIM',
    token: async (world) => world.sign({ ...claimsOf(world), iss: `${issuer}/` }, { typ })
  },
  'a token for another client': {
    code: 'CURFEW_OIDC_TOKEN_CLAIM',
    token: async (world) => world.sign({ ...claimsOf(world), aud: ['chat', 'wik', 'wiki2'] }, { typ })
  },
  'a token that expired': {
    code: 'CURFEW_OIDC_TOKEN_EXPIRED',
    token: async (world) => world.sign({ ...claimsOf(world), iat: world.clock.nowMs / 1000 - 900, exp: world.clock.nowMs / 1000 - 61 }, { typ })
  },
  'a token without end': {
    code: 'CURFEW_OIDC_TOKEN_CLAIM',
    token: async (world) => world.sign({ ...claimsOf(world), exp: undefined }, { typ })
  },
  'a token of tomorrow': {
    code: 'CURFEW_OIDC_TOKEN_CLAIM',
    token: async (world) => world.sign({ ...claimsOf(world), iat: world.clock.nowMs / 1000 + 86_400, exp: world.clock.nowMs / 1000 + 86_500 }, { typ })
  },
  'a token with a nonce': { code: 'CURFEW_OIDC_LOGOUT_EVENT', token: async (world) => world.sign({ ...claimsOf(world), nonce: 'n' }, { typ }) },
  'an event that is no object': {
    code: 'CURFEW_OIDC_LOGOUT_EVENT',
    token: async (world) => world.sign({ ...claimsOf(world), events: { [backChannelLogoutEvent]: true } }, { typ })
  },
  'nobody in particular': {
    code: 'CURFEW_OIDC_TOKEN_CLAIM',
    token: async (world) => world.sign({ ...claimsOf(world), sub: undefined, sid: undefined }, { typ })
  },
  'no jti': { code: 'CURFEW_OIDC_TOKEN_CLAIM', token: async (world) => world.sign({ ...claimsOf(world), jti: undefined }, { typ }) },
  'claims that are no object': {
    code: 'CURFEW_JWT_MALFORMED',
    token: async (world) => world.signText('null', { typ })
  }
}

suite('attacks with what is posted as a logout token', () => {
  for (const [name, { code, token }] of Object.entries(attacks)) {
    test(`${name} ends nothing and is refused with 400`, async () => {
      const world = setting()
      const browser = browserOf(world)
      await signIn(world, browser)
      const answer = await browser.post(back, form(await token(world)))
      assert.deepEqual([answer.status, answer.headers['cache-control'], answer.body], [400, 'no-store', '{"error":"invalid_request"}'])
      assert.ok(await browser.session())
      assert.deepEqual(
        world.events.flatMap((event) => (event.kind === 'refused' ? [event.code] : [])),
        [code]
      )
    })
  }

  test('the same token without the attack is accepted: what is refused above is the attack alone', async () => {
    const world = setting()
    const browser = browserOf(world)
    await signIn(world, browser)
    assert.equal((await browser.post(back, form(await world.sign(claimsOf(world), { typ })))).status, 200)
    assert.equal(await browser.session(), undefined)
  })

  test('a relaxed type does not let an ID token, an access token or a security event in', async () => {
    const world = setting({ acceptMissingType: true, acceptMissingExp: true })
    const browser = browserOf(world)
    await signIn(world, browser)
    const names = ['an ID token', 'a security event token', 'an access token']
    for (const name of names) assert.equal((await browser.post(back, form((await attacks[name]?.token(world)) ?? ''))).status, 400, name)
    assert.ok(await browser.session())
  })

  test('an algorithm other than the pinned one is refused', async () => {
    const world = setting({ algorithms: ['RS256'] })
    assert.equal((await browserOf(world).post(back, form(await world.sign(claimsOf(world), { typ })))).status, 400)
  })
})

suite('attacks with a captured logout token', () => {
  /** Two nodes of one application. */
  function nodes() {
    const sessions = createMemorySessionRegistry()
    const world = setting({ sessions })
    const other = setting({ sessions, fetch: world.fetch, nowMs: () => world.clock.nowMs })
    return { world, other }
  }

  for (const [name, named] of [
    ['of every session of the user', { sid: undefined }],
    ['of one session', {}]
  ] as const) {
    test(`one ${name}, posted again at another node, does not end what was opened since`, async () => {
      const { world, other } = nodes()
      await signIn(world, browserOf(world))
      const captured = form(await world.logoutToken(named))
      assert.equal((await browserOf(world).post(back, captured)).status, 200)
      world.clock.nowMs += 2_000
      const again = browserOf(world)
      assert.equal((await signIn(world, again)).status, 303)
      assert.equal((await browserOf(other).post(back, captured)).status, 200)
      assert.ok(await again.session(), 'the new session goes on')
      assert.equal(world.events.filter(({ kind }) => kind === 'signed-out').length, 1)
      assert.equal(other.events.length, 0)
    })
  }

  test('it is remembered as long as it could be used, however long its issuer made it live', async () => {
    const { world, other } = nodes()
    await signIn(world, browserOf(world))
    const hours = form(await world.logoutToken({ sid: undefined, exp: Math.floor(world.clock.nowMs / 1000) + 7_200 }))
    await browserOf(world).post(back, hours)
    world.clock.nowMs += 7_200_000 + 30_000
    const again = browserOf(world)
    await signIn(world, again)
    assert.equal((await browserOf(other).post(back, hours)).status, 200)
    assert.ok(await again.session())
  })

  test('a token whose work failed is not taken for a replay when it comes again', async () => {
    const sessions = createMemorySessionRegistry()
    let isBroken = true
    const failing = {
      ...sessions,
      endBySubject: async (...parts: Parameters<typeof sessions.endBySubject>) => {
        if (isBroken) throw new Error('the registry is away')
        return sessions.endBySubject(...parts)
      }
    }
    const world = setting({ sessions: failing })
    const browser = browserOf(world)
    await signIn(world, browser)
    const token = form(await world.logoutToken())
    await assert.rejects(browser.post(back, token), /registry is away/)
    isBroken = false
    assert.equal((await browser.post(back, token)).status, 200)
    assert.equal(await browser.session(), undefined)
  })
})
