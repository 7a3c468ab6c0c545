import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BerWriter, type Filter } from 'ldapts'
import fc from 'fast-check'
import { betweenFilter, namedFilter } from '../../../src/platform/ldap/filter.ts'
import { filterProblem } from '../../../src/platform/ldap/filter-text.ts'
import { passwordModifyValue } from '../../../src/platform/ldap/password-modify.ts'
import { readTime, writeTime } from '../../../src/platform/ldap/time-value.ts'

/** The octets of a filter with every value in it, so that they can be compared without those. */
function encoded(filter: Filter): string {
  const writer = new BerWriter()
  filter.write(writer)
  return writer.buffer.toString('hex')
}

suite('RFC 4511 4.5.1.7: what people type inside a filter', () => {
  test('is one value, as it was typed, and the shape of the filter stays', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ minLength: 1, unit: 'grapheme' }), fc.constantFrom('*', ')(uid=*', '\\2a', '\0', 'ü)(|(a=b')), (name) => {
        const wanted = encoded(namedFilter('(objectClass=person)', ['uid'], 'X'.repeat(Buffer.byteLength(name))))
        const hole = Buffer.from('X'.repeat(Buffer.byteLength(name))).toString('hex')
        assert.equal(encoded(namedFilter('(objectClass=person)', ['uid'], name)), wanted.replace(hole, Buffer.from(name).toString('hex')))
      })
    )
  })

  test('stands beside what is configured, for every attribute that may hold it', () => {
    assert.equal(String(namedFilter('(a=b)', ['uid', 'mail'], 'x')), '(&(a=b)(|(uid=x)(mail=x)))')
    assert.equal(String(betweenFilter('(a=b)', 't', '1', '2')), '(&(a=b)(t>=1)(t<=2))')
  })

  test('a configured filter is one pair of parentheses', () => {
    for (const good of ['(objectClass=person)', '(&(a=b)(|(c=d)(e=f)))']) assert.equal(filterProblem(good), undefined)
    for (const bad of ['', 'objectClass=person', '(a=b', 'a=b)', '(a=b)(c=d)', ')(', '(a=b))']) assert.ok(filterProblem(bad) !== undefined, bad)
  })
})

suite('RFC 3062: Password Modify', () => {
  test('holds what is there, tagged 0, 1 and 2', () => {
    assert.equal(passwordModifyValue({ dn: 'a', current: 'b', password: 'c' }).toString('hex'), '3009800161810162820163')
    assert.equal(passwordModifyValue({ password: 'ü' }).toString('hex'), '30048202c3bc')
  })

  test('writes lengths of one, two and three octets', () => {
    for (const [length, size] of [
      [127, '7f'],
      [128, '8180'],
      [255, '81ff'],
      [256, '820100'],
      [1024, '820400']
    ] as const)
      assert.ok(
        passwordModifyValue({ password: 'x'.repeat(length) })
          .toString('hex')
          .includes(`82${size}78`),
        String(length)
      )
  })
})

suite('instants of directories', () => {
  for (const [syntax, text, iso] of [
    ['generalizedTime', '20261126212233Z', '2026-11-26T21:22:33.000Z'],
    ['generalizedTime', '20261126212233.25Z', '2026-11-26T21:22:33.250Z'],
    ['generalizedTime', '202611262122+0130', '2026-11-26T19:52:00.000Z'],
    ['generalizedTime', '2026112621-05', '2026-11-27T02:00:00.000Z'],
    ['fileTime', '133771477530000000', '2024-11-27T02:22:33.000Z']
  ] as const) {
    test(`reads ${text}`, () => assert.equal(new Date(readTime(syntax, text) ?? 0).toISOString(), iso))
  }

  test('says nothing for what is none, and for never', () => {
    for (const text of ['', 'yesterday', '20261126', '20261326212233Z']) assert.equal(readTime('generalizedTime', text), undefined, text)
    for (const text of ['', '0', '-1', '9223372036854775807']) assert.equal(readTime('fileTime', text), undefined, text)
  })

  test('writes what it reads, down to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), fc.constantFrom('generalizedTime' as const, 'fileTime' as const), (seconds, syntax) => {
        assert.equal(readTime(syntax, writeTime(syntax, seconds * 1000 + 999)), seconds * 1000)
      })
    )
  })
})
