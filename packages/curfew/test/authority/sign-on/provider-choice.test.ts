import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, type IDPRole, parseMetadata, serialiseMetadata } from '@curfew/codecs'
import { chooseFrom, providersShownMax } from '../../../src/authority/sign-on/provider-choice.ts'
import { createUpstream } from '../identity-provider.ts'
import { createFakeClock } from '../fake-clock.ts'
import { authorityPair, createKit } from '../kit.ts'
import { follow } from '../saml-sp/hub.ts'

const names = ['Universität Zürich', 'Université de Genève', 'Campus North', 'Campus South', 'Guests', 'Library', 'Museum']
const many = names.map((name, i) => ({ id: `p${i}`, name }))

async function manyProviders() {
  const clock = createFakeClock()
  const upstreams = many.map(({ id, name }) => createUpstream(id, clock, authorityPair, { name }))
  return createKit({
    clock,
    partners: {},
    identityProviders: upstreams.map(({ settings, pair }) => ({ settings, certificatePem: pair.certificatePem })),
    signOn: { hasForm: false }
  })
}

function offered(body: string): readonly string[] {
  return [...body.matchAll(/identityProvider=(\w+)"/g)].map((found) => found[1] ?? '')
}

suite('Choosing an identity provider', () => {
  test('finds by every word, whatever the case and the accents', () => {
    const found = (query: string): readonly string[] => chooseFrom(many, query, undefined).shown.map(({ id }) => id)
    assert.deepEqual(found('zurich'), ['p0'])
    assert.deepEqual(found('GENÈVE universite'), ['p1'])
    assert.deepEqual(found('campus'), ['p2', 'p3'])
    assert.deepEqual(found('campus west'), [])
    assert.equal(found('').length, many.length)
  })

  test('shows so many at most and says how many more there are', () => {
    const lots = Array.from({ length: providersShownMax + 3 }, (_, i) => ({ id: `x${i}`, name: `Provider ${i}` }))
    const { shown, more } = chooseFrom(lots, '', undefined)
    assert.deepEqual([shown.length, more], [providersShownMax, 3])
    assert.equal(chooseFrom(lots.slice(0, providersShownMax), '', undefined).more, 0)
  })

  test('the page searches by a plain form, without JavaScript, and the sign-in goes on from the result', async () => {
    await using kit = await manyProviders()
    const browser = kit.browser()
    const page = await follow(browser, await browser.get('/'))
    assert.equal(offered(page.body).length, many.length)
    assert.doesNotMatch(page.body, /<script/)
    const action = /<form role="search" method="get" action="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail('a search form')
    const found = await browser.get(`${action}?q=${encodeURIComponent('zürich')}`)
    assert.deepEqual(offered(found.body), ['p0'])
    const none = await browser.get(`${action}?q=${encodeURIComponent('<b>nobody')}`)
    assert.deepEqual(offered(none.body), [])
    assert.match(none.body, /Nothing found for “&lt;b&gt;nobody”/)
    const away = await browser.get(`${action}?identityProvider=p0`)
    assert.match(String(away.headers.location), /^http:\/\/p0\.test\/sso/)
  })

  test('a provider is shown by the name and the picture of its metadata, and nothing is loaded from elsewhere', async () => {
    const clock = createFakeClock()
    const picture = 'data:image/svg+xml;base64,PHN2Zy8+'
    const described = [
      { id: 'campus', name: 'Campus <North>', logos: ['https://campus.test/logo.png', picture] },
      { id: 'museum', name: 'Museum', logos: ['https://museum.test/logo.png'] }
    ].map(({ id, name, logos }) => {
      const upstream = createUpstream(id, clock, authorityPair)
      const idp: IDPRole = {
        keys: [{ use: 'signing', certificates: [upstream.pair.certificate] }],
        nameIdFormats: [],
        artifactResolutionServices: [],
        singleLogoutServices: [],
        singleSignOnServices: [{ binding: bindingUri('redirect'), location: `http://${id}.test/sso` }],
        wantAuthnRequestsSigned: false,
        ui: { displayNames: { en: name }, logos: logos.map((url) => ({ url, width: 40, height: 40 })) }
      }
      const { head, tail } = serialiseMetadata({ id: `_${id}`, entityId: upstream.entityId, idp })
      const [descriptor] = parseMetadata(Buffer.from(head + tail))
      const { name: _name, ...settings } = upstream.settings
      return { settings, certificatePem: upstream.pair.certificatePem, ...(descriptor === undefined ? {} : { descriptor }) }
    })
    await using kit = await createKit({ clock, partners: {}, identityProviders: described, signOn: { hasForm: false } })
    const browser = kit.browser()
    const { body } = await follow(browser, await browser.get('/'))
    assert.match(body, /Campus &lt;North&gt;/)
    assert.ok(body.includes(`<img class="badge" src="${picture}" alt="">`), body)
    assert.match(body, /<span class="badge" aria-hidden="true">M<\/span>/)
    assert.doesNotMatch(body, /logo\.png/)
  })

  test('what a person chose is offered first at the next visit, and can be changed', async () => {
    await using kit = await manyProviders()
    const browser = kit.browser()
    const start = async () => (await follow(browser, await browser.get('/'))).body
    const path = async () => String((await browser.get('/')).headers.location)
    assert.doesNotMatch(await start(), /You used this last time/)
    await browser.get(`${await path()}?identityProvider=p4`)
    const page = await start()
    assert.match(page, /You used this last time/)
    assert.equal(offered(page)[0], 'p4')
    assert.equal(offered(page).length, many.length)
    await browser.get(`${await path()}?identityProvider=p5`)
    assert.equal(offered(await start())[0], 'p5')
  })

  test('an address that names the provider, and a cookie of nobody, are not remembered choices', async () => {
    await using kit = await manyProviders()
    const browser = kit.browser()
    await follow(browser, await browser.get(`/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent('http://p3.test/idp')}&identityProvider=p3`))
    assert.equal(browser.cookies.has('PF.PROVIDER'), false)
    browser.cookies.set('PF.PROVIDER', '"><script>')
    assert.doesNotMatch((await follow(browser, await browser.get('/'))).body, /You used this last time|<script/)
  })

  test('the four languages have the words', async () => {
    await using kit = await manyProviders()
    for (const [language, word] of [
      ['de', 'Nach Namen suchen'],
      ['fr', 'Rechercher par nom'],
      ['es', 'Buscar por nombre'],
      ['en', 'Search by name']
    ] as const) {
      const browser = kit.browser()
      const path = String((await browser.get('/')).headers.location)
      assert.ok((await browser.get(path, { 'accept-language': language })).body.includes(word), language)
    }
  })

  test('a Response by Redirect is refused: the assertion consumer service takes POST', async () => {
    await using kit = await manyProviders()
    const answer = await kit.browser().get('/sp/ACS.saml2?SAMLResponse=x')
    assert.equal(answer.statusCode, 404)
  })
})
