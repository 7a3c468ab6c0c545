import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { sessionCookie, withoutGatewayCookies } from '../../../src/gateway/session/cookies.ts'
import { createSessionCookies } from '../../../src/gateway/session/session-cookies.ts'
import type { WebSession } from '../../../src/gateway/session/web-session.ts'
import type { WebSessionSettings } from '../../../src/gateway/settings.ts'
import { systemRandom } from '../../../src/platform/random.ts'

const nowMs = 1_772_438_400_000
const base: WebSessionSettings = {
  id: 'main',
  audience: 'ACE_ws',
  cookieType: 'encrypted',
  httpOnly: true,
  sameSite: 'lax',
  partitioned: false,
  idleMs: 60 * 60_000,
  maxMs: 240 * 60_000
}
const session: WebSession = {
  id: 'w1',
  audience: 'ACE_ws',
  host: 'wiki.example.com',
  issuer: 'https://login.example.com',
  subject: 'ana',
  sri: 'sri-1',
  claims: { email: 'ana@example.org' },
  startedAtMs: nowMs,
  expiresAtMs: nowMs + base.maxMs,
  activeAtMs: nowMs
}

function cookies(more: Partial<WebSessionSettings> = {}) {
  const settings = { ...base, ...more }
  const made = createSessionCookies({ secret: Buffer.alloc(32, 3), random: systemRandom, webSessions: [settings] })
  const header = (one: WebSession) => made.write(settings, one, { isSecure: true }, nowMs).split(';')[0] ?? ''
  const read = (text: string | undefined, atMs = nowMs, host = 'wiki.example.com') => made.read(settings, text, host, atMs)?.session
  return { settings, made, header, read }
}

function iphoneOf(version: string): string {
  return `Mozilla/5.0 (iPhone; CPU iPhone OS ${version} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1`
}

function chromeOf(version: number): string {
  return `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 Safari/537.36`
}

function ucBrowserOf(version: string): string {
  return `Mozilla/5.0 (Linux; U; Android 9; en-US; SM) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 UCBrowser/${version} Mobile Safari/537.36`
}

suite('The cookie of a web session', () => {
  for (const [what, tokenCharacters, refreshCharacters, leftOut] of [
    ['everything, where it fits', 1_000, 1_000, undefined],
    ['all but the refresh token', 1_000, 3_000, 'refresh-token'],
    ['nothing of it', 4_000, 1_000, 'refresh']
  ] as const)
    test(`keeps of what refreshes claims ${what}`, () => {
      const { made, settings, read } = cookies()
      const refresh = {
        token: 'a'.repeat(tokenCharacters),
        refreshToken: 'r'.repeat(refreshCharacters),
        names: ['email'],
        atMs: nowMs,
        tokenUntilMs: nowMs + 600_000
      }
      const written = made.writeFitting(settings, { ...session, refresh }, { isSecure: true }, nowMs)
      const { refreshToken, ...accessOnly } = refresh
      const kept = { none: refresh, 'refresh-token': accessOnly, refresh: undefined }[leftOut ?? 'none']
      assert.deepEqual([written.leftOut, read(written.cookie.split(';')[0])?.refresh], [leftOut, kept])
      assert.ok(refreshToken.length > 0 && written.cookie.length < 4_200)
      // A cookie that is written again has as much.
      const again = made.renewed(settings, { session: { ...session, refresh }, keys: [], headers: new Map(), isChanged: true }, { isSecure: true }, nowMs)
      assert.deepEqual(read(again?.split(';')[0])?.refresh, kept)
    })

  test('AC-077 is named PA. and the audience, and one of another audience is refused', () => {
    const { header, read } = cookies()
    assert.match(header(session), /^PA\.ACE_ws=/)
    assert.deepEqual(read(header(session)), session)
    const other = cookies({ audience: 'other' })
    const moved = other.header({ ...session, audience: 'other' }).replace('PA.other=', 'PA.ACE_ws=')
    assert.equal(read(moved), undefined)
    assert.equal(read(header({ ...session, audience: 'other' })), undefined)
  })

  test('AC-079 is encrypted or signed, and after a change of the setting the other kind is still read', () => {
    const encrypted = cookies()
    const signed = cookies({ cookieType: 'signed' })
    assert.equal(encrypted.header(session).split('.').length, 6)
    assert.equal(signed.header(session).split('.').length, 4)
    assert.deepEqual(encrypted.read(signed.header(session)), session)
    assert.deepEqual(signed.read(encrypted.header(session)), session)
  })

  test('AC-081 is good for its idle and its maximum time and not a moment longer', () => {
    const { header, read } = cookies()
    const text = header(session)
    assert.ok(read(text, nowMs + base.idleMs - 1))
    assert.equal(read(text, nowMs + base.idleMs), undefined)
    const active = header({ ...session, activeAtMs: nowMs + base.maxMs - 60_000 })
    assert.ok(read(active, nowMs + base.maxMs - 1))
    assert.equal(read(active, nowMs + base.maxMs), undefined)
  })

  test('is written again once a minute has passed, with the activity in it', () => {
    const { made, settings, header, read } = cookies()
    const opened = made.read(settings, header(session), 'wiki.example.com', nowMs) ?? assert.fail()
    assert.equal(made.renewed(settings, opened, { isSecure: true }, nowMs + 59_999), undefined)
    const renewed = made.renewed(settings, opened, { isSecure: true }, nowMs + 60_000) ?? assert.fail()
    assert.equal(read(renewed.split(';')[0], nowMs + base.idleMs + 59_999)?.activeAtMs, nowMs + 60_000)
  })

  test('AC-083 is good for one host without a domain, and for all below it with one', () => {
    const { header, read } = cookies()
    assert.equal(read(header(session), nowMs, 'shop.example.com'), undefined)
    const { host: _host, ...shared } = session
    const domain = cookies({ cookieDomain: 'example.com' })
    assert.ok(domain.read(domain.header(shared), nowMs, 'shop.example.com'))
    assert.ok(domain.made.write(domain.settings, shared, { isSecure: true }, nowMs).includes('; Domain=example.com'))
    // A cookie of the whole domain does not become one of a host by itself.
    assert.equal(read(domain.header(shared)), undefined)
  })

  test('AC-082 is Secure, HttpOnly and SameSite=Lax, and old browsers get no SameSite=None', () => {
    const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1'
    const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
    assert.equal(sessionCookie(base, 'x', { isSecure: true }), 'PA.ACE_ws=x; Path=/; Secure; HttpOnly; SameSite=Lax')
    assert.equal(
      sessionCookie({ ...base, sameSite: 'disabled', partitioned: true }, 'x', { isSecure: true }),
      'PA.ACE_ws=x; Path=/; Secure; HttpOnly; Partitioned'
    )
    const none = { ...base, sameSite: 'none' as const }
    assert.match(sessionCookie(none, 'x', { isSecure: true, userAgent: firefox }), /SameSite=None/)
    assert.doesNotMatch(sessionCookie(none, 'x', { isSecure: true, userAgent: iphone }), /SameSite/)
  })

  for (const [old, young] of [
    [iphoneOf('12_4'), iphoneOf('13_1')],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Safari/605.1.15',
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15'
    ],
    [chromeOf(51), chromeOf(50)],
    [chromeOf(66), chromeOf(67)],
    [chromeOf(60), chromeOf(151)],
    [ucBrowserOf('12.13.1.1189'), ucBrowserOf('12.13.2.1208')],
    [ucBrowserOf('11.5.0.1015'), ucBrowserOf('13.0.0.1288')]
  ] as const)
    test(`AC-082 no SameSite=None for ${old}, when it is written and when it is cleared`, () => {
      const { made, settings } = cookies({ sameSite: 'none' })
      for (const [userAgent, isOld] of [
        [old, true],
        [young, false]
      ] as const) {
        const attributes = { isSecure: true, userAgent }
        for (const line of [made.write(settings, session, attributes, nowMs), made.clear(settings, attributes)])
          assert.equal(line.includes('SameSite'), !isOld, `${userAgent}: ${line}`)
        // It is withheld from nobody else's cookie.
        assert.match(sessionCookie(base, 'x', attributes), /; Secure; HttpOnly; SameSite=Lax$/)
      }
    })

  test('that is there with one of another session is no cookie at all, and one that no browser would keep is never sent', () => {
    const { header, read } = cookies()
    const codeOf = (act: () => unknown): string => {
      try {
        act()
        return 'nothing'
      } catch (error) {
        return isCurfewError(error) ? error.code : String(error)
      }
    }
    assert.equal(
      codeOf(() => read(`${header(session)}; a=b; ${header({ ...session, id: 'w2', subject: 'ben' })}`)),
      'CURFEW_GATEWAY_COOKIE_AMBIGUOUS'
    )
    assert.equal(
      codeOf(() => header({ ...session, claims: { groups: 'x'.repeat(4_000) } })),
      'CURFEW_GATEWAY_COOKIE_TOO_LARGE'
    )
    assert.equal(read(`PA.ACE_ws=${'A'.repeat(10_000)}`), undefined)
  })

  test('that comes in pieces, as some products send a larger one, is not put together', () => {
    const { header, read } = cookies()
    const value = header(session).slice('PA.ACE_ws='.length)
    const [first, second] = [value.slice(0, 60), value.slice(60)]
    assert.equal(read(`PA.ACE_ws=${first}${second}`)?.id, 'w1')
    for (const text of [
      `PA.ACE_ws=${first}; PA.ACE_ws.1=${second}`,
      `PA.ACE_ws.0=${first}; PA.ACE_ws.1=${second}`,
      `PA.ACE_ws.1=${second}; PA.ACE_ws.0=${first}`,
      `PA.ACE_ws=2; PA.ACE_ws.0=${first}; PA.ACE_ws.1=${second}`,
      `PA.ACE_ws=${first}; PA.ACE_ws=${second}`
    ])
      assert.equal(read(text), undefined, text)
    // And whatever stands beside it, what is whole is the session.
    assert.equal(read(`PA.ACE_ws.1=${second}; PA.ACE_ws=${value}; PA.ACE_ws.0=planted`)?.id, 'w1')
  })

  test('leaves out the ID token where it does not fit, before and beside what refreshes claims', () => {
    const { settings, made, header, read } = cookies()
    const large = 'x'.repeat(2_900)
    const refreshWith = (token: string) => ({ token, atMs: nowMs, names: ['email'], tokenUntilMs: nowMs + 600_000 })
    const written = (more: Partial<WebSession>) => made.writeFitting(settings, { ...session, ...more }, { isSecure: true }, nowMs)
    const left = (more: Partial<WebSession>) => [written(more).isHintLeftOut, written(more).leftOut]
    assert.deepEqual(left({ idToken: 'short', refresh: refreshWith('t') }), [undefined, undefined])
    assert.deepEqual(left({ idToken: large }), [true, undefined])
    assert.deepEqual(left({ idToken: large, refresh: refreshWith('t') }), [true, undefined])
    assert.deepEqual(left({ idToken: 'short', refresh: refreshWith(large) }), [undefined, 'refresh'])
    const both = written({ idToken: large, refresh: refreshWith(large) })
    assert.deepEqual([both.isHintLeftOut, both.leftOut, read(both.cookie.split(';')[0])], [true, 'refresh', read(header(session))])
    assert.throws(() => written({ idToken: large, claims: { groups: large } }), { code: 'CURFEW_GATEWAY_COOKIE_TOO_LARGE' })
  })

  test('never reaches an application', () => {
    assert.equal(withoutGatewayCookies('a=1; PA.ACE_ws=x; b=2; PA.nonce.abc=y; c=PA.x'), 'a=1; b=2; c=PA.x')
    assert.equal(withoutGatewayCookies('PA.ACE_ws=x'), '')
  })
})

suite('The idle time of a web session', () => {
  test('does not run out for somebody who is active, however short it is', () => {
    for (const idleMs of [60_000, 120_000, 3_600_000]) {
      const { settings, made, header, read } = cookies({ idleMs })
      let cookie = header(session)
      for (let atMs = nowMs; atMs < nowMs + 4 * idleMs; atMs += idleMs / 2) {
        const opened = made.read(settings, cookie, 'wiki.example.com', atMs) ?? assert.fail(`after ${(atMs - nowMs) / 1000} s with ${idleMs / 1000} s`)
        cookie = made.renewed(settings, opened, { isSecure: true }, atMs)?.split(';')[0] ?? cookie
      }
      assert.equal(read(cookie, nowMs + 6 * idleMs), undefined)
    }
  })
})

suite('A cookie that stands there more than once', () => {
  const junk = 'PA.ACE_ws=planted'

  test('locks nobody out when the others are no sessions', () => {
    const { header, read } = cookies()
    for (const text of [`${junk}; ${header(session)}`, `${header(session)}; ${junk}; PA.ACE_ws=`]) assert.equal(read(text)?.id, 'w1')
    assert.equal(read(`${junk}; ${junk}`), undefined)
  })

  test('is one session where all are of one, as the youngest says, in whatever order', () => {
    const { header, read } = cookies()
    const [former, present] = [header(session), header({ ...session, activeAtMs: nowMs + 600_000, claims: { email: 'ana@example.com' } })]
    assert.notEqual(former, present)
    for (const text of [`${former}; ${present}`, `${present}; ${former}`, `${former}; ${junk}; ${present}; ${former}`])
      assert.equal(read(text, nowMs + 600_000)?.claims['email'], 'ana@example.com')
    assert.equal(read(`${former}; ${former}`)?.id, 'w1')
  })

  test('goes on where a host comes to share its cookie with a domain: the former one is still in the browser', () => {
    const { host: _, ...shared } = session
    const { made, settings, header } = cookies({ cookieDomain: 'example.com' })
    const text = `${header(session)}; ${header({ ...shared, activeAtMs: nowMs + 120_000 })}`
    const opened = made.read(settings, text, 'wiki.example.com', nowMs + 120_000) ?? assert.fail('signed out')
    assert.deepEqual([opened.session.id, opened.session.activeAtMs], ['w1', nowMs + 120_000])
  })

  test('is the one session that goes on where the others have ended, and over where all have', () => {
    const { made, settings, header } = cookies()
    const text = `${header(session)}; ${header({ ...session, id: 'w2' })}; ${header({ ...session, id: 'w3' })}`
    const read = (...ended: readonly string[]) => made.read(settings, text, 'wiki.example.com', nowMs, ({ session: { id } }) => ended.includes(id))?.session.id
    assert.deepEqual([read('w1', 'w3'), read('w1', 'w2'), read('w1', 'w2', 'w3')], ['w2', 'w3', 'w1'])
    assert.throws(() => read('w1'), { code: 'CURFEW_GATEWAY_COOKIE_AMBIGUOUS' })
  })

  test('is refused with two sessions, and each of them can be ended', () => {
    const { made, settings, header, read } = cookies()
    const text = `${header(session)}; ${junk}; ${header({ ...session, id: 'w2' })}`
    assert.throws(
      () => read(text),
      (error) => isCurfewError(error) && error.code === 'CURFEW_GATEWAY_COOKIE_AMBIGUOUS'
    )
    assert.deepEqual(
      made.readAll(settings, text, 'wiki.example.com', nowMs).map(({ session: { id } }) => id),
      ['w1', 'w2']
    )
  })
})

suite('Whose request waits for a sign-in', () => {
  const over = nowMs + base.maxMs + 1
  const owner = (values: readonly string[]) => {
    const { made, settings } = cookies()
    return made.owner(settings, values.join('; '), over)
  }
  const header = (more: Partial<WebSession> = {}) => cookies().header({ ...session, ...more })

  test('is known by the one session that came with it, whatever else was planted beside it', () => {
    for (const values of [[header()], ['PA.ACE_ws=junk', header(), 'PA.ACE_ws='], [header(), header({ id: 'w2' })]]) {
      const found = owner(values)
      assert.ok(found !== undefined && found !== 'several', values.join('; '))
      assert.deepEqual([found.issuer, found.subject], [session.issuer, 'ana'])
    }
    assert.equal(owner(['PA.ACE_ws=junk']), undefined)
  })

  test('is nobody where there are sessions of more than one person', () => {
    for (const more of [{ subject: 'ben' }, { issuer: 'https://other.example.com' }]) assert.equal(owner([header(), header(more)]), 'several')
  })
})
