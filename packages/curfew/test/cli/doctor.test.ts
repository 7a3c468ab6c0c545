import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, serialiseMetadata, signMessage, verificationKeyFromCertificate } from '@curfew/codecs'
import { type BrowserWays, browserCheck, cookieCheck, frameRefusal } from '../../src/cli/doctor-browser.ts'
import { hasSuccessor, judgeExpiry } from '../../src/cli/doctor-certificate.ts'
import { dayMs } from '../../src/cli/doctor-check.ts'
import { judgeClock, judgeReached } from '../../src/cli/doctor-endpoint.ts'
import { driftOf, factsOfMetadata, metadataChecks, type MetadataCopy, overridden } from '../../src/cli/doctor-metadata.ts'
import { publicationChecks } from '../../src/cli/doctor-publication.ts'
import { answerCheck } from '../../src/cli/doctor-partner.ts'
import { isSameSite, siteOf } from '../../src/cli/doctor-site.ts'
import { judgeLog, judgeRoom, judgeStoreClock } from '../../src/cli/doctor-store.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'

const nowMs = Date.parse('2026-11-24T10:00:00Z')
const mebibyte = 1024 * 1024

suite('doctor: certificates', () => {
  const cases: readonly (readonly [string, number | undefined, boolean, string, RegExp])[] = [
    ['good for a year', 365, false, 'ok', /valid to 2027-11-24/],
    ['a bare key', undefined, false, 'ok', /without a certificate date/],
    ['ends in 29 days', 29, false, 'warn', /ends 2026-12-23, in 29 days/],
    ['ends tomorrow', 1, false, 'warn', /in 1 day$/],
    ['ends soon, and another goes on', 29, true, 'ok', /another one goes on/],
    ['ended', -1, false, 'fail', /ended 2026-11-23/],
    ['ended, and another goes on', -1, true, 'warn', /another one goes on/]
  ]
  for (const [what, days, follows, verdict, why] of cases) {
    test(`${what}: ${verdict}`, () => {
      const date = days === undefined ? {} : { notAfterMs: nowMs + days * dayMs }
      const check = judgeExpiry({ what, ...date, hasSuccessor: follows, fix: 'Ask.' }, nowMs)
      assert.equal(check.verdict, verdict)
      assert.match(check.why, why)
      assert.equal(check.fix !== undefined, verdict !== 'ok')
    })
  }

  test('a successor is another key that is good for longer than what is warned of', () => {
    const own = { notAfterMs: nowMs + dayMs }
    assert.equal(hasSuccessor(own, [own], nowMs), false)
    assert.equal(hasSuccessor(own, [own, { notAfterMs: nowMs + 20 * dayMs }], nowMs), false)
    assert.equal(hasSuccessor(own, [own, { notAfterMs: nowMs + 90 * dayMs }], nowMs), true)
    assert.equal(hasSuccessor(own, [own, {}], nowMs), true)
  })
})

suite('doctor: the store', () => {
  test('room on the disk', () => {
    assert.equal(judgeRoom(10 * 1024 * mebibyte).verdict, 'ok')
    assert.equal(judgeRoom(900 * mebibyte).verdict, 'warn')
    assert.match(judgeRoom(0).why, /sign-ins are refused/)
    assert.equal(judgeRoom(0).verdict, 'fail')
  })

  test('a clock that is not that of a shared store is warned of', () => {
    assert.deepEqual(judgeStoreClock(undefined), [])
    assert.equal(judgeStoreClock(-900)[0]?.verdict, 'ok')
    const [check] = judgeStoreClock(300_000)
    assert.equal(check?.verdict, 'warn')
    assert.match(check?.why ?? '', /300000 ms ahead of the time of the store.*CURFEW_STORE_CLOCK_APART/)
    assert.match(judgeStoreClock(-2_000)[0]?.why ?? '', /2000 ms behind/)
  })

  test('the write-ahead log', () => {
    assert.deepEqual(judgeLog(0, true).why, 'empty')
    assert.match(judgeLog(3 * mebibyte, false).why, /^3 MiB, which the next start takes in$/)
    assert.equal(judgeLog(300 * mebibyte, true).verdict, 'warn')
  })
})

suite('doctor: sites and cookies', () => {
  const sites: readonly (readonly [string, string])[] = [
    ['payroll.example.com', 'example.com'],
    ['a.b.example.co.uk', 'example.co.uk'],
    ['example.com.', 'example.com'],
    ['localhost', 'localhost'],
    ['192.0.2.7', '192.0.2.7'],
    ['[2001:db8::1]', '[2001:db8::1]']
  ]
  for (const [host, site] of sites) test(`the site of ${host} is ${site}`, () => assert.equal(siteOf(host), site))

  test('the scheme is part of a site', () => {
    assert.equal(isSameSite('https://a.example.com', 'https://b.example.com/slo'), true)
    assert.equal(isSameSite('https://a.example.com', 'http://b.example.com'), false)
    assert.equal(isSameSite('https://a.co.uk', 'https://b.co.uk'), false)
  })

  test('cookies are Secure, except on this machine', () => {
    assert.match(cookieCheck('https://sso.example.com').why, /^Secure/)
    assert.match(cookieCheck('http://curfew.localhost:8080').why, /not Secure/)
  })
})

suite('doctor: what browsers make of an application', () => {
  const sso = 'https://sso.example.com'
  const ways = (change: Partial<BrowserWays>): BrowserWays => ({
    ...{ id: 'payroll', hasServerWay: false, usesFrames: false, framesRefused: new Map() },
    services: [{ binding: 'redirect', url: 'https://payroll.example.com/slo' }],
    ...change
  })
  const elsewhere = 'https://payroll.test/slo'
  const cases: readonly (readonly [string, Partial<BrowserWays>, string, RegExp])[] = [
    ['visited on the same site', {}, 'ok', /hidden frames can work too/],
    ['visited on another site', { services: [{ binding: 'redirect', url: elsewhere }] }, 'ok', /visits it, where its cookies work/],
    ['visited by POST on another site', { services: [{ binding: 'post', url: elsewhere }] }, 'warn', /SameSite=None/],
    ['framed on the same site', { usesFrames: true }, 'ok', /a hidden frame sees its cookies/],
    ['framed on another site', { usesFrames: true, services: [{ binding: 'front-channel', url: elsewhere }] }, 'warn', /stays unconfirmed/],
    [
      'framed on another site after a server was asked',
      { usesFrames: true, hasServerWay: true, services: [{ binding: 'front-channel', url: elsewhere }] },
      'ok',
      /server to server first/
    ],
    ['framed over http', { usesFrames: true, services: [{ binding: 'front-channel', url: 'http://payroll.example.com/out' }] }, 'fail', /loads no frame/],
    [
      'framed although it forbids it',
      { usesFrames: true, framesRefused: new Map([['https://payroll.example.com/slo', 'X-Frame-Options: DENY']]) },
      'fail',
      /X-Frame-Options: DENY/
    ],
    ['asked only from server to server', { services: [], hasServerWay: true }, 'ok', /not needed/]
  ]
  for (const [what, change, verdict, why] of cases) {
    test(`${what}: ${verdict}`, () => {
      const check = browserCheck(sso, ways(change))
      assert.equal(check?.verdict, verdict)
      assert.match(check?.why ?? '', why)
    })
  }

  test('nothing is said of an application that is told nothing', () => assert.equal(browserCheck(sso, ways({ services: [] })), undefined))

  const headers: readonly (readonly [string, Record<string, string>, string | undefined])[] = [
    ['no header', {}, undefined],
    ['DENY', { 'x-frame-options': 'DENY' }, 'X-Frame-Options: DENY'],
    ['SAMEORIGIN', { 'x-frame-options': 'sameorigin' }, 'X-Frame-Options: sameorigin'],
    ["frame-ancestors 'none'", { 'content-security-policy': "default-src 'self'; frame-ancestors 'none'" }, "frame-ancestors 'none'"],
    ["frame-ancestors 'self'", { 'content-security-policy': "frame-ancestors 'self'" }, "frame-ancestors 'self'"],
    ['frame-ancestors with the authority', { 'content-security-policy': `frame-ancestors 'self' ${sso}` }, undefined],
    ['frame-ancestors with its domain', { 'content-security-policy': 'frame-ancestors *.example.com' }, undefined],
    ['frame-ancestors with another scheme', { 'content-security-policy': 'frame-ancestors http://sso.example.com' }, 'frame-ancestors http://sso.example.com'],
    ['frame-ancestors, which overrides DENY', { 'content-security-policy': `frame-ancestors ${sso}`, 'x-frame-options': 'DENY' }, undefined]
  ]
  for (const [what, sent, refusal] of headers) test(`${what}`, () => assert.equal(frameRefusal(sent, sso, 'https://payroll.test/slo'), refusal))
})

suite('doctor: keys that nobody knows yet', () => {
  const old = { fingerprint: 'AA', signs: false }
  const next = { fingerprint: 'BB', signs: true }
  const seen = (...of: Parameters<typeof publicationChecks>): readonly unknown[] => publicationChecks(...of).map(({ what, verdict }) => [what, verdict])
  test('a key that would sign from the next start on, and is in no metadata yet, is warned of', () =>
    assert.deepEqual(seen([next, old], ['AA']), [['signing key 1: publication', 'warn']]))
  test('one that is published first is not', () => {
    assert.deepEqual(
      seen(
        [
          { ...old, signs: true },
          { ...next, signs: false }
        ],
        ['AA']
      ),
      [['signing key 2: publication', 'ok']]
    )
    assert.deepEqual(seen([next, old, undefined], ['AA', 'BB']), [])
  })
  test('nothing is said where no server answers', () => assert.deepEqual(seen([next], undefined), []))
})

suite('doctor: addresses and clocks', () => {
  test('an address that does not answer names the page of the error', () => {
    assert.deepEqual(judgeReached('a: logout', { url: 'https://a.test/slo', durationMs: 20 }).verdict, 'ok')
    for (const missing of [404, 410]) {
      const gone = judgeReached('a: logout', { url: 'https://a.test/slo', durationMs: 20, missing })
      assert.deepEqual([gone.verdict, gone.why.includes(`answers ${missing} to a GET`)], ['warn', true])
    }
    const faulty = judgeReached('a: logout', { url: 'https://a.test/slo', durationMs: 20, fault: 500 })
    assert.deepEqual([faulty.verdict, faulty.why.includes('answers 500 to a GET')], ['warn', true])
    const silent = judgeReached('a: logout', { url: 'https://a.test/slo', code: 'CURFEW_OUTBOUND_TIMEOUT' })
    assert.deepEqual([silent.verdict, silent.fix], ['fail', 'Look at docs/reference/errors/CURFEW_OUTBOUND_TIMEOUT.md'])
  })

  test('the worst clock counts, in its direction', () => {
    assert.deepEqual(judgeClock('a', [{ url: '' }]), [])
    assert.equal(judgeClock('a', [{ url: '', skewMs: 800 }])[0]?.verdict, 'ok')
    const [ahead] = judgeClock('a', [
      { url: '', skewMs: -2_000 },
      { url: '', skewMs: 90_000 }
    ])
    assert.deepEqual([ahead?.verdict, /ahead of/.test(ahead?.why ?? '')], ['warn', true])
    assert.match(judgeClock('a', [{ url: '', skewMs: -90_000 }])[0]?.why ?? '', /behind this machine/)
  })
})

suite('doctor: metadata', () => {
  const pair = makeKeyPair('payroll')
  const federation = makeKeyPair('federation')
  const document = (
    change: { readonly validUntil?: string; readonly cacheDuration?: string; readonly slo?: string } = {}
  ): ReturnType<typeof serialiseMetadata> =>
    serialiseMetadata({
      entityId: 'https://payroll.test/saml',
      id: '_metadata',
      ...(change.validUntil === undefined ? {} : { validUntil: Temporal.Instant.from(change.validUntil) }),
      ...(change.cacheDuration === undefined ? {} : { cacheDuration: change.cacheDuration }),
      sp: {
        keys: [{ certificates: [pair.certificate] }],
        nameIdFormats: [],
        singleLogoutServices: [{ binding: bindingUri('redirect'), location: change.slo ?? 'https://payroll.test/slo' }],
        assertionConsumerServices: [{ binding: bindingUri('post'), location: 'https://payroll.test/acs', index: 0, isDefault: true }],
        authnRequestsSigned: true,
        wantAssertionsSigned: true
      }
    })
  const unsigned = (change?: Parameters<typeof document>[0]): Uint8Array => {
    const { head, tail } = document(change)
    return Buffer.from(`${head}${tail}`)
  }
  const copyOf = (bytes: Uint8Array, change: Partial<MetadataCopy> = {}): MetadataCopy => ({
    ...{ bytes, from: 'file', location: 'peers/payroll.xml', copiedAtMs: nowMs },
    ...change
  })
  const judge = (copy: MetadataCopy, readSigner?: () => string): Readonly<Record<string, { verdict: string; why: string }>> =>
    Object.fromEntries(metadataChecks('payroll', copy, { role: 'sp', entityId: undefined, readSigner }, nowMs).map((check) => [check.what, check]))

  test('a copy of today without an end is good', () => {
    const { 'payroll: metadata': age, 'payroll: metadata signature': signature } = judge(copyOf(unsigned()))
    assert.deepEqual([age?.verdict, age?.why], ['ok', 'a copy of today'])
    assert.deepEqual([signature?.verdict, signature?.why], ['ok', 'not demanded; it is unsigned'])
  })

  const ages: readonly (readonly [string, Parameters<typeof document>[0], Partial<MetadataCopy>, string, RegExp])[] = [
    ['that ended', { validUntil: '2026-11-20T00:00:00Z' }, {}, 'fail', /ended 2026-11-20: the connection is not used/],
    ['in a file that ends in a week', { validUntil: '2026-12-01T00:00:00Z' }, {}, 'warn', /valid to 2026-12-01/],
    ['from an address that ends in a week', { validUntil: '2026-12-01T00:00:00Z' }, { from: 'url', location: 'https://payroll.test/saml' }, 'ok', /read now/],
    ['older than its cacheDuration', { cacheDuration: 'P7D' }, { copiedAtMs: nowMs - 8 * dayMs }, 'warn', /a copy of 8 days ago; .* again after P7D/],
    ['younger than its cacheDuration', { cacheDuration: 'P7D' }, { copiedAtMs: nowMs - 6 * dayMs }, 'ok', /a copy of 6 days ago/]
  ]
  for (const [what, change, copy, verdict, why] of ages) {
    test(`${what}: ${verdict}`, () => {
      const { 'payroll: metadata': age } = judge(copyOf(unsigned(change), copy))
      assert.equal(age?.verdict, verdict)
      assert.match(age?.why ?? '', why)
    })
  }

  test('a signature that is demanded is checked', async () => {
    const signed = Buffer.from(await signMessage(document(), { key: federation.key, algorithm: 'ecdsa-sha256' }))
    const good = judge(copyOf(signed), () => federation.certificatePem)['payroll: metadata signature']
    assert.deepEqual([good?.verdict, good?.why.startsWith('made by ')], ['ok', true])
    for (const bytes of [signed, unsigned()]) {
      const signer = bytes === signed ? pair : federation
      const bad = judge(copyOf(bytes), () => signer.certificatePem)['payroll: metadata signature']
      assert.equal(bad?.verdict, 'fail')
      assert.match(bad?.why ?? '', /CURFEW_SAML_SIGNATURE/)
    }
  })

  test('metadata over http without a demanded signature is warned of', () => {
    const { 'payroll: metadata signature': signature } = judge(copyOf(unsigned(), { from: 'url', location: 'http://payroll.test/saml' }))
    assert.equal(signature?.verdict, 'warn')
  })

  test('what can not be read is one failure with its code', () => {
    const checks = metadataChecks('payroll', copyOf(Buffer.from('<html>')), { role: 'sp', entityId: undefined, readSigner: undefined }, nowMs)
    assert.deepEqual(
      checks.map(({ verdict }) => verdict),
      ['fail']
    )
    assert.match(checks[0]?.why ?? '', /CURFEW_/)
  })

  test('drift says what one side has and the other has not', () => {
    const facts = (change?: Parameters<typeof document>[0]): NonNullable<ReturnType<typeof factsOfMetadata>> =>
      factsOfMetadata(unsigned(change), 'https://payroll.test/saml', 'sp') ?? assert.fail('no such entity')
    const old = facts()
    const now = facts({ slo: 'https://payroll.test/logout' })
    assert.deepEqual(driftOf(old, old), [])
    assert.deepEqual(driftOf(now, old), ['logout redirect https://payroll.test/logout instead of redirect https://payroll.test/slo'])
    assert.deepEqual(driftOf({ ...old, logout: [] }, old), ['logout redirect https://payroll.test/slo is not there any more'])
    const other = verificationKeyFromCertificate(federation.certificate).fingerprint
    const [rolled] = driftOf({ ...old, keys: [...old.keys, other] }, old)
    assert.equal(rolled, `key ${other.slice(0, 11)}... is new`)
    assert.equal(factsOfMetadata(unsigned(), 'https://payroll.test/saml', 'idp'), undefined)
  })

  test('only what the configuration says itself is compared with the metadata', () => {
    const facts = { logout: ['redirect https://payroll.test/slo'], keys: ['aa'] }
    const { used, published } = overridden({ certificates: ['payroll.pem'] }, facts, { logout: ['soap https://payroll.test/x'], keys: ['bb'] })
    assert.deepEqual(
      [used, published],
      [
        { logout: [], keys: ['aa'] },
        { logout: [], keys: ['bb'] }
      ]
    )
  })
})

suite('curfew doctor on answers to a partner that starts a logout', () => {
  const profiles = { idpInitiatedSso: true, spInitiatedSso: true, idpInitiatedSlo: true, spInitiatedSlo: true }
  type Partner = Parameters<typeof answerCheck>[0]
  const soap = { binding: 'soap', url: 'https://payroll.example.com/soap' } as const
  const partner: Partner = { id: 'payroll', role: 'sp', profiles, logoutServices: [soap], answerServices: [], incomingBindings: new Set(['soap', 'redirect']) }
  const cases: readonly (readonly [string, Partial<Partner>, boolean])[] = [
    ['SOAP only, and it may come through the browser', {}, true],
    ['an identity provider, the same', { role: 'idp' }, true],
    ['an address by redirect, too', { answerServices: [{ binding: 'redirect', url: 'https://payroll.example.com/slo' }] }, false],
    ['it may come by SOAP only', { incomingBindings: new Set(['soap']) }, false],
    ['it may start none', { profiles: { ...profiles, spInitiatedSlo: false } }, false],
    ['no logout at all', { logoutServices: [] }, false]
  ]
  for (const [what, change, isWarned] of cases) {
    test(`${what}: ${isWarned ? 'warned of' : 'nothing to say'}`, () => {
      const check = answerCheck({ ...partner, ...change })
      assert.equal(check?.verdict, isWarned ? 'warn' : undefined)
      if (isWarned) assert.match(check?.why ?? '', /no LogoutResponse goes back/)
    })
  }
})
