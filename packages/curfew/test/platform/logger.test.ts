import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createLogger, type Logger } from '../../src/platform/logger.ts'

/** What one call writes, read. */
function logged(write: (logger: Logger) => void): Record<string, unknown> {
  let line = ''
  write(createLogger({ level: 'debug' }, { write: (text) => void (line += text) }))
  return JSON.parse(line) as Record<string, unknown>
}

suite('log lines', () => {
  test('hold no secret at any depth, in lists, errors and child loggers', () => {
    const secret = 'hush-hush'
    const cause = Object.assign(new Error('inner'), { token: secret })
    const error = Object.assign(new CurfewError('CURFEW_API_FAILED', {}, { cause }), { request: { headers: { Authorization: secret, cookie: [secret] } } })
    const deep = { a: { b: { c: [{ password: secret, kept: 1 }] } } }
    const line = logged((logger) =>
      logger.child({ scope: { token: secret } }).info({ event: 'x.y', ...deep, set: { 'Set-Cookie': secret }, SAMLResponse: secret, err: error }, 'said')
    )
    assert.doesNotMatch(JSON.stringify(line), new RegExp(secret))
    assert.deepEqual(line['a'], { b: { c: [{ password: '[redacted]', kept: 1 }] } })
    assert.deepEqual(line['scope'], { token: '[redacted]' })
    const { type, message, stack, request } = line['err'] as Record<string, unknown>
    assert.deepEqual([type, typeof message, typeof stack], ['CurfewError', 'string', 'string'])
    assert.deepEqual(request, { headers: { Authorization: '[redacted]', cookie: '[redacted]' } })
    assert.deepEqual([line['event'], line['msg']], ['x.y', 'said'])
  })

  test('end where objects go round in a circle, and write values of their own as they write themselves', () => {
    const round: Record<string, unknown> = { at: Temporal.Instant.fromEpochMilliseconds(0), bytes: new Uint8Array(3) }
    round['self'] = round
    const line = logged((logger) => logger.warn({ event: 'x.y', round }))
    assert.deepEqual(
      [(line['round'] as Record<string, unknown>)['at'], (line['round'] as Record<string, unknown>)['bytes']],
      ['1970-01-01T00:00:00Z', '[3 bytes]']
    )
    assert.match(JSON.stringify(line), /\[too deep\]/)
  })

  test('an error alone is written with its message', () => {
    const line = logged((logger) => logger.error(new TypeError('broken')))
    assert.deepEqual([(line['err'] as Record<string, unknown>)['type'], line['msg']], ['TypeError', 'broken'])
  })
})
