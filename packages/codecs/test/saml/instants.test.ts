import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { isCurfewError } from '../../src/index.ts'
import { instantText, readInstant } from '../../src/saml/message.ts'

const digits = (count: number): fc.Arbitrary<string> => fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: count, maxLength: count })
/** Looks like a time, and mostly is none. */
const lookAlike = fc
  .tuple(digits(4), digits(2), digits(2), digits(2), digits(2), digits(2), fc.oneof(fc.constant(''), digits(3), digits(1)))
  .map(([y, mo, d, h, mi, s, f]) => `${y}-${mo}-${d}T${h}:${mi}:${s}${f === '' ? '' : `.${f}`}Z`)

/** What Temporal, which knows every calendar rule, makes of it. */
function oracle(value: string): string {
  try {
    return instantText(Temporal.Instant.from(value))
  } catch {
    return 'refused'
  }
}

function ours(value: string): string {
  try {
    return instantText(readInstant(value, 'IssueInstant'))
  } catch (error) {
    assert.ok(isCurfewError(error))
    return 'refused'
  }
}

suite('Times of messages', () => {
  test('are read as Temporal reads them, days and hours that do not exist included', () => {
    const known = [
      '2026-02-30T09:00:00Z',
      '2026-02-29T09:00:00Z',
      '2024-02-29T09:00:00.250Z',
      '2026-03-01T24:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-03-00T00:00:00Z'
    ]
    for (const value of known) assert.equal(ours(value), oracle(value), value)
    fc.assert(
      fc.property(lookAlike, (value) => {
        assert.equal(ours(value), oracle(value))
      }),
      { numRuns: 2_000 }
    )
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31T23:59:59Z') }), (date) => {
        assert.equal(ours(date.toISOString()), date.toISOString())
      })
    )
  })

  test('need a time zone', () => {
    for (const value of ['2026-03-01T09:00:00', '2026-03-01', '2026-03-01T09:00:00 Z', '2026-03-01t09:00:00z']) assert.equal(ours(value), 'refused')
  })
})
