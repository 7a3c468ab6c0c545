import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  type Binding,
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodePost,
  encodeRedirect,
  encodeSoap,
  type LogoutRequest,
  type PeerKeys,
  type Received,
  serialiseLogoutResponse,
  signBytesSync,
  signMessage,
  type Status,
  status,
  verificationKeyFromCertificate,
  verifyLogoutRequest
} from '@curfew/codecs'
import type { ConnectionSettings, IdentityProviderSettings, LogoutServiceSettings } from '../../../src/authority/saml/settings.ts'
import { type PresetName, presetSettings } from '../../../src/config/presets.ts'
import { frameGraceMs } from '../../../src/core/frame-wait.ts'
import type { LogoutRun } from '../../../src/core/run.ts'
import { type Browser, formOf } from '../browser.ts'
import { spSloUrl } from '../identity-provider.ts'
import { makeRsaKeyPair } from '../key-pairs.ts'
import { authorityPair, type Kit, type KitOptions } from '../kit.ts'
import { authorityUrl } from '../partner.ts'
import { follow, hubWithApps, lastRun, liveSessions, type Hub } from '../saml-sp/hub.ts'

const rsa = makeRsaKeyPair('curfew rsa')
const ownKeys = [
  { key: authorityPair.key, algorithm: 'ecdsa-sha256' as const, certificate: authorityPair.certificate },
  { key: rsa.key, algorithm: 'rsa-sha256' as const, certificate: rsa.certificate }
]
const authority: PeerKeys = { entityId: authorityUrl, keys: ownKeys.map(({ certificate }) => verificationKeyFromCertificate(certificate)) }

/** What a product publishes, in the order of its metadata (vectors/saml). */
const published: Readonly<Record<PresetName, readonly Binding[]>> = {
  adfs: ['redirect', 'post'],
  entra: ['redirect', 'post'],
  okta: ['post', 'redirect'],
  shibboleth: ['redirect', 'post', 'soap'],
  simplesamlphp: ['soap', 'redirect'],
  sharepoint: ['post', 'redirect']
}

function endpoints(name: PresetName, host: string): readonly LogoutServiceSettings[] {
  return published[name].map((binding) => ({ binding, url: `http://${host}.test/slo/${binding}` }))
}

/** ana came from an identity provider of that product and opened two applications. */
function behind(name: PresetName, options: KitOptions = {}): Promise<{ readonly hub: Hub; readonly browser: Browser }> {
  const settings = { ...presetSettings(name, 'identityProvider'), slo: endpoints(name, 'campus') } as Partial<IdentityProviderSettings>
  return hubWithApps({ ownKeys, ...options }, ['payroll', 'intranet'], settings)
}

/** ana is signed in, by campus, at two applications, of which the first is of that product. */
function withApplication(name: PresetName): Promise<{ readonly hub: Hub; readonly browser: Browser }> {
  const vendor = { ...presetSettings(name, 'application'), slo: endpoints(name, 'vendor') } as Partial<ConnectionSettings>
  return hubWithApps({ ownKeys, partners: { vendor, intranet: {} } }, ['vendor', 'intranet'])
}

/** Where a browser was sent with a LogoutRequest, and how. */
interface Visit {
  readonly host: string
  readonly by: Binding
  readonly request: LogoutRequest
  readonly algorithm: string | undefined
}

function visitOf(url: string, received: Received, algorithm: string | undefined): Visit {
  const request = verifyLogoutRequest(received, authority)
  assert.equal(request.destination, url)
  return { host: new URL(url).hostname.replace('.test', ''), by: received.binding, request, algorithm }
}

/** The next visit of the browser; undefined: it stays here. */
async function next(browser: Browser, run: LogoutRun): Promise<Visit | undefined> {
  const sent = await browser.get(`/signoff/${run.id}/go`)
  if (sent.statusCode === 200 && sent.body.includes('SAMLRequest')) {
    const { action, fields } = formOf(sent.body)
    return visitOf(action, decodePost(Object.entries(fields)), undefined)
  }
  const url = new URL(String(sent.headers.location), authorityUrl)
  if (url.origin === authorityUrl) return undefined
  return visitOf(url.origin + url.pathname, decodeRedirect(url.search.slice(1)), url.searchParams.get('SigAlg') ?? undefined)
}

/** Lets the browser go wherever it is sent, until it stays; returns where that was, and how. */
async function walk(browser: Browser, run: LogoutRun, answer: (visit: Visit) => Promise<unknown>): Promise<readonly string[]> {
  const seen: string[] = []
  for (let visit = await next(browser, run); visit !== undefined; visit = await next(browser, run)) {
    seen.push(`${visit.host} ${visit.by}`)
    await answer(visit)
  }
  return seen
}

function answerTo(request: LogoutRequest, issuer: string, destination: string, said: Status = status.success()) {
  const issueInstant = request.issueInstant
  return serialiseLogoutResponse({ kind: 'LogoutResponse', id: `_a${request.id}`, issuer, issueInstant, destination, inResponseTo: request.id, status: said })
}

/** The applications beside the product answer as any other. */
async function plainAnswer(kit: Kit, browser: Browser, { host, request }: Visit): Promise<void> {
  await browser.get(await kit.partner(host).logoutAnswer(request))
}

const outcomes = async (hub: Hub): Promise<Readonly<Record<string, string | undefined>>> =>
  Object.fromEntries((await lastRun(hub)).deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind]))

async function start(hub: Hub, browser: Browser): Promise<LogoutRun> {
  await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
  assert.deepEqual(await liveSessions(hub.kit), [])
  return lastRun(hub)
}

suite('A whole logout with each preset: an identity provider of the product', () => {
  test('adfs: by Redirect with rsa-sha256, its answer by Redirect proves the end', async () => {
    const { hub, browser } = await behind('adfs')
    await using kit = hub.kit
    const run = await start(hub, browser)
    const seen = await walk(browser, run, async (visit) => {
      if (visit.host !== 'campus') await plainAnswer(kit, browser, visit)
      else {
        assert.equal(visit.algorithm, 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256')
        const { head, tail } = answerTo(visit.request, hub.upstream.entityId, spSloUrl)
        const url = await encodeRedirect(spSloUrl, { parameter: 'SAMLResponse', xml: head + tail }, { key: hub.upstream.pair.key, algorithm: 'ecdsa-sha256' })
        // AD FS writes the octets of an address in small letters.
        const query = url.slice(url.indexOf('?') + 1)
        await browser.get(url.replace(query, inSmallLetters(query, hub)))
      }
    })
    assert.deepEqual(seen, ['campus redirect', 'payroll redirect', 'intranet redirect'])
    assert.deepEqual(await outcomes(hub), { campus: 'ended', payroll: 'ended', intranet: 'ended' })
    assert.match((await follow(browser, await browser.get(`/signoff/${run.id}/finish`))).body, /Signed out/)
  })

  test('okta: a signed LogoutRequest by POST, the answer comes by POST in a form of its own site, without cookies', async () => {
    const { hub, browser } = await behind('okta')
    await using kit = hub.kit
    const run = await start(hub, browser)
    const seen = await walk(browser, run, async (visit) => {
      if (visit.host !== 'campus') await plainAnswer(kit, browser, visit)
      else {
        const signed = await signMessage(answerTo(visit.request, hub.upstream.entityId, spSloUrl), { key: hub.upstream.pair.key, algorithm: 'ecdsa-sha256' })
        const { fields } = encodePost(signed, { parameter: 'SAMLResponse' })
        const posted = await kit.browser().post('/sp/SLO.saml2', fields, { origin: 'https://example.okta.com', 'sec-fetch-site': 'cross-site' })
        assert.equal(posted.headers.location, `/signoff/${run.id}`)
      }
    })
    assert.deepEqual(seen, ['campus post', 'payroll redirect', 'intranet redirect'])
    assert.deepEqual(await outcomes(hub), { campus: 'ended', payroll: 'ended', intranet: 'ended' })
  })

  for (const [what, brings, outcome] of [
    ['an unsigned answer', true, 'unconfirmed'],
    ['no answer at all', false, 'timed-out']
  ] as const) {
    test(`entra: last, by Redirect, and ${outcome} with ${what}; everybody else is signed out before`, async () => {
      const { hub, browser } = await behind('entra')
      await using kit = hub.kit
      const run = await start(hub, browser)
      const seen = await walk(browser, run, async (visit) => {
        if (visit.host !== 'campus') await plainAnswer(kit, browser, visit)
        else {
          assert.deepEqual(await outcomes(hub), { campus: undefined, payroll: 'ended', intranet: 'ended' })
          const { head, tail } = answerTo(visit.request, hub.upstream.entityId, spSloUrl)
          const signed = await encodeRedirect(
            spSloUrl,
            { parameter: 'SAMLResponse', xml: head + tail },
            { key: hub.upstream.pair.key, algorithm: 'ecdsa-sha256' }
          )
          if (brings) await browser.get(signed.slice(0, signed.indexOf('&SigAlg=')))
          else await pass(hub, 'campus', run.policy.hopTimeoutMs)
        }
      })
      assert.deepEqual(seen, ['payroll redirect', 'intranet redirect', 'campus redirect'])
      const { campus, ...others } = await outcomes(hub)
      assert.deepEqual(others, { payroll: 'ended', intranet: 'ended' })
      assert.equal(campus, outcome)
      const page = await follow(browser, await browser.get(`/signoff/${run.id}/finish`))
      assert.match(page.body, /Not signed out everywhere/)
      assert.match(page.body, /Campus/)
    })
  }

  test('shibboleth: by SOAP, in the same exchange; the browser is sent to the others only', async () => {
    const holder: { hub?: Hub } = {}
    const asked: string[] = []
    const { hub, browser } = await behind('shibboleth', {
      network: async ({ url, body }) => {
        const { upstream } = holder.hub ?? assert.fail('asked too early')
        asked.push(url)
        const request = verifyLogoutRequest(decodeSoap(Buffer.from(body ?? '')), authority)
        const signed = await signMessage(answerTo(request, upstream.entityId, ''), { key: upstream.pair.key, algorithm: 'ecdsa-sha256' })
        return { body: Buffer.from(encodeSoap(signed)) }
      }
    })
    holder.hub = hub
    await using kit = hub.kit
    const run = await start(hub, browser)
    const seen = await walk(browser, run, async (visit) => {
      await plainAnswer(kit, browser, visit)
    })
    assert.deepEqual(asked, ['http://campus.test/slo/soap'])
    assert.deepEqual(seen, ['payroll redirect', 'intranet redirect'])
    assert.deepEqual(await outcomes(hub), { campus: 'ended', payroll: 'ended', intranet: 'ended' })
  })
})

suite('A whole logout with each preset: an application of the product', () => {
  test('simplesamlphp: by Redirect although SOAP comes first in its metadata', async () => {
    const { hub, browser } = await withApplication('simplesamlphp')
    await using kit = hub.kit
    const run = await start(hub, browser)
    const seen = await walk(browser, run, async (visit) => {
      if (visit.host === 'campus') await browser.get(await hub.upstream.logoutAnswer(visit.request))
      else await plainAnswer(kit, browser, visit)
    })
    assert.deepEqual(seen, ['campus redirect', 'vendor redirect', 'intranet redirect'])
    assert.deepEqual(await outcomes(hub), { campus: 'ended', vendor: 'ended', intranet: 'ended' })
  })

  test('sharepoint: a frame while the others are visited; it says nothing, so the browser goes there, last, and does not come back', async () => {
    const { hub, browser } = await withApplication('sharepoint')
    await using kit = hub.kit
    const run = await start(hub, browser)
    const vendor = run.deliveries.find(({ peerId }) => peerId === 'vendor') ?? assert.fail()
    const framed = new URL(String((await browser.get(`/signoff/${run.id}/frame/${vendor.id}`)).headers.location))
    assert.equal(visitOf(framed.origin + framed.pathname, decodeRedirect(framed.search.slice(1)), undefined).host, 'vendor')
    const seen = await walk(browser, run, async (visit) => {
      if (visit.host === 'campus') await browser.get(await hub.upstream.logoutAnswer(visit.request))
      else if (visit.host === 'intranet') {
        await plainAnswer(kit, browser, visit)
        // The time of the frame is over.
        await pass(hub, 'vendor', run.policy.frameTimeoutMs + frameGraceMs)
      } else {
        assert.deepEqual(await outcomes(hub), { campus: 'ended', vendor: undefined, intranet: 'ended' })
        await pass(hub, 'vendor', run.policy.hopTimeoutMs)
      }
    })
    assert.deepEqual(seen, ['campus redirect', 'intranet redirect', 'vendor redirect'])
    assert.deepEqual(await outcomes(hub), { campus: 'ended', vendor: 'timed-out', intranet: 'ended' })
    const page = await follow(browser, await browser.get(`/signoff/${run.id}/finish`))
    assert.match(page.body, /Not signed out everywhere/)
  })

  test('sharepoint: a frame that answers spares the browser the visit', async () => {
    const { hub, browser } = await withApplication('sharepoint')
    await using kit = hub.kit
    const run = await start(hub, browser)
    const vendor = run.deliveries.find(({ peerId }) => peerId === 'vendor') ?? assert.fail()
    const framed = new URL(String((await browser.get(`/signoff/${run.id}/frame/${vendor.id}`)).headers.location))
    const { request } = visitOf(framed.origin + framed.pathname, decodeRedirect(framed.search.slice(1)), undefined)
    await browser.get(await kit.partner('vendor').logoutAnswer(request))
    const seen = await walk(browser, run, async (visit) => {
      if (visit.host === 'campus') await browser.get(await hub.upstream.logoutAnswer(visit.request))
      else await plainAnswer(kit, browser, visit)
    })
    assert.deepEqual(seen, ['campus redirect', 'intranet redirect'])
    assert.deepEqual(await outcomes(hub), { campus: 'ended', vendor: 'ended', intranet: 'ended' })
  })
})

/** Lets the time of a visit, or of a frame, pass. */
async function pass(hub: Hub, peerId: string, ms: number): Promise<void> {
  const { clock, ctx } = hub.kit
  clock.advance(ms)
  const run = await ctx.engine.apply((await lastRun(hub)).id, { kind: 'tick', atMs: clock.nowMs(), jitter: 0 })
  assert.notEqual(run?.deliveries.find((one) => one.peerId === peerId)?.state, 'sent')
}

/** The query as AD FS writes it, signed as it stands. */
function inSmallLetters(query: string, hub: Hub): string {
  const small = query.slice(0, query.indexOf('&Signature=')).replace(/%[0-9A-F]{2}/g, (one) => one.toLowerCase())
  const signature = signBytesSync(small, { key: hub.upstream.pair.key, algorithm: 'ecdsa-sha256' }).toString('base64')
  return `${small}&Signature=${encodeURIComponent(signature).replace(/%[0-9A-F]{2}/g, (one) => one.toLowerCase())}`
}
