import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { recognise } from '../../src/cli/inspect-input.ts'
import { nameId, sample, token } from './inspect-samples.ts'

const { partner, redirect, post, soap, metadata } = await sample()

function kindOf(input: string): readonly (string | undefined)[] {
  const found = recognise(input)
  return found.kind === 'saml' ? [found.kind, found.received.kind, found.received.binding, found.sentTo] : [found.kind]
}

suite('what an input is', () => {
  const query = redirect.slice(redirect.indexOf('?') + 1)
  const saml = new URLSearchParams(query).get('SAMLRequest') ?? ''
  const fields = new URLSearchParams({ ...post, RelayState: 'r' })
  const xml = Buffer.from(post['SAMLRequest'] ?? '', 'base64').toString()
  const page = `<html><form method="post" action="https://app.test/slo?a=1&amp;b=2"><input type="hidden" name="SAMLRequest" value="${post['SAMLRequest']?.replaceAll('+', '&#43;')}"></form></html>`
  const cases: readonly (readonly [string, string, readonly (string | undefined)[]])[] = [
    ['an address with a deflated message', redirect, ['saml', 'LogoutRequest', 'redirect', 'http://curfew.test/idp/SLO.saml2']],
    [
      'an address with parameters of its own',
      redirect.replace('?', '?tenant=a&'),
      ['saml', 'LogoutRequest', 'redirect', 'http://curfew.test/idp/SLO.saml2?tenant=a']
    ],
    ['the query alone', query, ['saml', 'LogoutRequest', 'redirect', undefined]],
    ['fields of a form', fields.toString(), ['saml', 'LogoutRequest', 'post', undefined]],
    ['a page that posts a message on', page, ['saml', 'LogoutRequest', 'post', 'https://app.test/slo?a=1&b=2']],
    ['a message in base64', post['SAMLRequest'] ?? '', ['saml', 'LogoutRequest', 'post', undefined]],
    ['a deflated message in base64', saml, ['saml', 'LogoutRequest', 'redirect', undefined]],
    ['a deflated message as it stands in an address', encodeURIComponent(saml), ['saml', 'LogoutRequest', 'redirect', undefined]],
    ['XML', xml, ['saml', 'LogoutRequest', 'post', undefined]],
    ['a SOAP envelope', soap, ['saml', 'LogoutRequest', 'soap', undefined]],
    ['a SOAP envelope in base64', Buffer.from(soap).toString('base64'), ['saml', 'LogoutRequest', 'soap', undefined]],
    ['metadata', metadata, ['metadata']],
    ['metadata in base64', Buffer.from(metadata).toString('base64'), ['metadata']],
    ['a token', token({ sub: nameId }), ['jwt']],
    ['an address with a token', `https://login.example.com/idp/init_logout.openid?id_token_hint=${token({})}&state=x`, ['jwt']],
    ['the body of a back-channel logout', `logout_token=${token({})}`, ['jwt']]
  ]
  for (const [what, input, expected] of cases) {
    test(`${what} is recognised`, () => {
      assert.deepEqual(kindOf(input), expected)
      assert.deepEqual(kindOf(`  ${input}\n`), expected)
    })
  }

  test('answers are told from requests', async () => {
    const answer = await partner.logoutAnswer(partner.logoutRequest({ value: nameId }, []))
    assert.deepEqual(kindOf(new URLSearchParams(answer.slice(answer.indexOf('?') + 1)).get('SAMLResponse') ?? ''), [
      'saml',
      'LogoutResponse',
      'redirect',
      undefined
    ])
  })

  test('anything else is refused without repeating it', () => {
    assert.throws(
      () => recognise('some secret words, and more'),
      (error) => isCurfewError(error) && error.code === 'CURFEW_CLI_INPUT_UNKNOWN' && !JSON.stringify(error.context).includes('some secret')
    )
  })

  test('a folder is no input', () => assert.throws(() => recognise('.'), { code: 'CURFEW_CLI_INPUT_UNKNOWN' }))

  test('a message that inflates beyond the limit keeps its code', async () => {
    const { deflateRawSync } = await import('node:zlib')
    const bomb = deflateRawSync(Buffer.alloc(2_000_000, 0x20)).toString('base64')
    assert.throws(() => recognise(`https://curfew.test/slo?SAMLRequest=${encodeURIComponent(bomb)}`), { code: 'CURFEW_SAML_DEFLATE_LIMIT' })
  })
})
