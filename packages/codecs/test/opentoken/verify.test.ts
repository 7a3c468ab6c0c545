import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  encodeOpenToken,
  isCurfewError,
  type OpenTokenPairs,
  type OpenTokenStatement,
  openTokenKey,
  parsePayload,
  verifyOpenToken,
  writeOpenToken
} from '../../src/index.ts'

const key = openTokenKey(2, '2Federate')
const iv = Buffer.alloc(16, 3)
const now = Temporal.Instant.from('2030-01-01T00:01:00Z')
const times: OpenTokenPairs = [
  ['not-before', '2030-01-01T00:00:00Z'],
  ['not-on-or-after', '2030-01-01T00:05:00Z'],
  ['renew-until', '2030-01-01T12:00:00Z']
]

function verify(pairs: OpenTokenPairs, at: Temporal.Instant = now, notBeforeToleranceSeconds?: number) {
  const tolerance = notBeforeToleranceSeconds === undefined ? {} : { notBeforeToleranceSeconds }
  return verifyOpenToken(encodeOpenToken(pairs, key, iv), { keys: [key], now: at, ...tolerance })
}

function refuses(code: string, work: () => unknown): void {
  assert.throws(work, (error) => isCurfewError(error) && (assert.equal(error.code, code), true))
}

suite('OpenToken statements', () => {
  test('AC-046 AC-048 repeated keys keep their order, and letters count', () => {
    const token = verify([['subject', 'joe'], ['group', 'a'], ['Group', 'x'], ['group', 'b'], ...times])
    assert.deepEqual(token.attributes, { group: ['a', 'b'], Group: ['x'] })
    refuses('CURFEW_OPENTOKEN_SUBJECT', () => verify([['Subject', 'joe'], ...times]))
  })

  test('AC-049 no subject, an empty one and two of them are refused', () => {
    refuses('CURFEW_OPENTOKEN_SUBJECT', () => verify(times))
    refuses('CURFEW_OPENTOKEN_SUBJECT', () => verify([['subject', ''], ...times]))
    refuses('CURFEW_OPENTOKEN_SUBJECT', () => verify([['subject', 'joe'], ['subject', 'joe'], ...times]))
  })

  test('AC-050 AC-052 the window of time counts to the second, the tolerance at its start only', () => {
    const pairs: OpenTokenPairs = [['subject', 'joe'], ...times]
    const at = (text: string): Temporal.Instant => Temporal.Instant.from(text)
    assert.equal(verify(pairs, at('2030-01-01T00:04:59.999Z')).subject, 'joe')
    refuses('CURFEW_OPENTOKEN_EXPIRED', () => verify(pairs, at('2030-01-01T00:05:00Z')))
    refuses('CURFEW_OPENTOKEN_EXPIRED', () => verify(pairs, at('2030-01-01T00:05:00Z'), 3600))
    assert.equal(verify(pairs, at('2030-01-01T00:00:00Z'), 0).subject, 'joe')
    refuses('CURFEW_OPENTOKEN_TIME', () => verify(pairs, at('2029-12-31T23:59:59.999Z'), 0))
    assert.equal(verify(pairs, at('2029-12-31T23:59:55Z')).subject, 'joe')
    refuses('CURFEW_OPENTOKEN_TIME', () => verify(pairs, at('2029-12-31T23:59:54.999Z')))
    assert.equal(verify(pairs, at('2029-12-31T23:00:00Z'), 3600).subject, 'joe')
  })

  test('a token without a window, with two, with one that is upside down or not written as it has to be is refused', () => {
    const without = (name: string): OpenTokenPairs => [['subject', 'joe'], ...times.filter(([k]) => k !== name)]
    refuses('CURFEW_OPENTOKEN_TIME', () => verify(without('not-before')))
    refuses('CURFEW_OPENTOKEN_TIME', () => verify(without('not-on-or-after')))
    assert.equal(verify(without('renew-until')).renewUntil, undefined)
    for (const value of ['', '2030-01-01', '2030-01-01T00:05:00+00:00', '2030-13-01T00:05:00Z', '1893456300'])
      refuses('CURFEW_OPENTOKEN_TIME', () => verify([...without('not-on-or-after'), ['not-on-or-after', value]]))
    refuses('CURFEW_OPENTOKEN_TIME', () => verify([...without(''), ['not-on-or-after', '2031-01-01T00:00:00Z']]))
    refuses('CURFEW_OPENTOKEN_TIME', () => verify([...without('not-before'), ['not-before', '2030-01-01T00:05:01Z']]))
  })

  test('AC-056 what is written is read back, with the authentication context', () => {
    const statement: OpenTokenStatement = {
      subject: 'ana',
      attributes: { mail: ['ana@example.com'], group: ['staff', "d'angelo\\"] },
      authnContext: 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password',
      notBefore: Temporal.Instant.from('2030-01-01T00:00:00Z'),
      notOnOrAfter: Temporal.Instant.from('2030-01-01T00:05:00Z'),
      renewUntil: Temporal.Instant.from('2030-01-01T12:00:00Z')
    }
    const { mac, ...read } = verifyOpenToken(writeOpenToken(statement, key, iv), { keys: [key], now })
    assert.deepEqual(read, statement)
    assert.match(mac, /^[\w-]{27}$/)
    refuses('CURFEW_OPENTOKEN_WRITE', () => writeOpenToken({ ...statement, attributes: { 'renew-until': ['x'] } }, key, iv))
    refuses('CURFEW_OPENTOKEN_WRITE', () => writeOpenToken({ ...statement, attributes: { 'a\nsubject': ['x'] } }, key, iv))
  })
})

suite('OpenToken payload text', () => {
  test('AC-047 quotes, escapes and values over lines are read as they are written elsewhere', () => {
    const cases: Readonly<Record<string, OpenTokenPairs>> = {
      'a=b': [['a', 'b']],
      '  a\t = b c': [['a', 'b c']],
      "a='x\\'y'": [['a', "x'y"]],
      'a="x\\"y\\\\"': [['a', 'x"y\\']],
      'a="it\'s"\r\nb=c\r\n': [
        ['a', "it's"],
        ['b', 'c']
      ],
      "a='one\ntwo' \n\n b=": [
        ['a', 'one\ntwo'],
        ['b', '']
      ],
      "a='\\n'": [['a', '\\n']],
      'a=b=c': [['a', 'b=c']],
      'a=x"y"': [['a', 'x"y"']],
      '': []
    }
    for (const [text, pairs] of Object.entries(cases)) assert.deepEqual(parsePayload(text), pairs, JSON.stringify(text))
  })

  test('a line that is no pair, a quote that stays open and text after a quote are refused', () => {
    for (const text of ['a', 'a=b\nc', "a='b", "a='b' c=d", '=b', "a'=b", 'a b=c', 'a="b\\"']) refuses('CURFEW_OPENTOKEN_TEXT', () => parsePayload(text))
  })
})
