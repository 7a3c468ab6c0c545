import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { strictBase64 } from '../src/index.ts'
import { codeOf } from './support/messages.ts'

suite('Strict base64', () => {
  test('gives back what was encoded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (octets) => {
        assert.deepEqual([...strictBase64(Buffer.from(octets).toString('base64'), 'none')], [...octets])
      })
    )
  })

  test('white space anywhere, where it is tolerated', () => {
    assert.equal(strictBase64(' Y3\r\nVy\tZmV3\n', 'whitespace').toString(), 'curfew')
    assert.equal(
      codeOf(() => strictBase64('Y3Vy ZmV3', 'none')),
      'CURFEW_SAML_BASE64'
    )
  })

  const refused: Readonly<Record<string, string>> = {
    nothing: '',
    'white space alone': ' \n',
    'padding alone': '====',
    'no padding': 'YQ',
    'too little padding': 'YQ=',
    'too much padding': 'YQ===',
    'padding inside': 'YQ==YQ==',
    'padding where none belongs': 'Y3Vy=',
    'bits that padding leaves over': 'YR==',
    'the alphabet of addresses': '-_-_',
    'a character outside': 'Y3V*ZmV3',
    'a line separator': 'Y3Vy\u2028ZmV3',
    'a vertical tab': 'Y3Vy\u000bZmV3',
    'a NUL': 'Y3Vy\0ZmV3',
    'a letter that only looks right': 'Y3\u0443yZmV3'
  }
  for (const [name, value] of Object.entries(refused))
    test(`refuses ${name}`, () =>
      assert.equal(
        codeOf(() => strictBase64(value, 'whitespace')),
        'CURFEW_SAML_BASE64'
      ))

  test('what is accepted has one form only', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('A', 'Q', 'g', '=', '+', '/', '-', ' ', '\n'), maxLength: 12 }), (value) => {
        const isAccepted = codeOf(() => strictBase64(value, 'whitespace')) === 'accepted'
        if (isAccepted) assert.equal(strictBase64(value, 'whitespace').toString('base64'), value.replaceAll(/[ \n]/g, ''))
      }),
      { numRuns: 2_000 }
    )
  })
})
