import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createLogger, type Logger, textCharactersMax, valuesMax } from '../../src/platform/logger.ts'

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
    assert.equal((line['round'] as Record<string, unknown>)['self'], '[circular]')
  })

  test('hold no secret under any of the names that it has in protocols and settings, in whatever spelling', () => {
    const names = ['access_token', 'refreshToken', 'id_token', 'logout_token', 'adminToken', 'clientSecret', 'client_secret', 'secret', 'Secrets']
    const more = ['passphrase', 'bindPassword', 'proxy-authorization', 'client_assertion', 'cookies', 'private_key', 'API-Key', 'code_verifier', 'samlresponse']
    const hidden = Object.fromEntries([...names, ...more].map((name) => [name, 'hush-hush']))
    const line = logged((logger) =>
      logger.child({ ...hidden, inner: hidden }).info({ event: 'x.y', ...hidden, err: Object.assign(new Error('e'), hidden) }, 'said')
    )
    assert.doesNotMatch(JSON.stringify(line), /hush-hush/)
    const kept = { tokenEndpoint: 'a', secretFile: 'b', passwordAgeDays: 3, cookieType: 'signed', tokenUntilMs: 4 }
    assert.deepEqual(logged((logger) => logger.info({ kept }, 'said'))['kept'], kept)
  })

  test('hold the same object twice where it is there twice, and leave out what lies too deep', () => {
    const shared = { kept: 1 }
    let deep: object = {}
    for (let i = 0; i < 20; i++) deep = { deep }
    const line = logged((logger) => logger.info({ one: shared, two: [shared, shared], deep }, 'said'))
    assert.deepEqual([line['one'], line['two']], [shared, [shared, shared]])
    assert.match(JSON.stringify(line['deep']), /\[too deep\]/)
  })

  test('have an end, whatever is in them', () => {
    let wide: unknown = 'x'
    for (let i = 0; i < 4; i++) wide = Array.from({ length: 40 }, () => wide)
    const line = logged((logger) => logger.info({ wide, event: 'x.y', fields: { a: 1, b: 2 } }, 'said'))
    assert.ok(JSON.stringify(line).length < 20 * valuesMax)
    assert.match(JSON.stringify(line), /\[\d+ more\]/)
    assert.equal(line['msg'], 'said')
  })

  test('an error alone is written with its message', () => {
    const line = logged((logger) => logger.error(new TypeError('broken')))
    assert.deepEqual([(line['err'] as Record<string, unknown>)['type'], line['msg']], ['TypeError', 'broken'])
  })

  test('ends texts that are too long, in errors too', () => {
    const long = 'x'.repeat(textCharactersMax + 7)
    let line = ''
    createLogger({ level: 'info' }, { write: (text) => void (line += text) }).warn({ event: 'x', why: long, fits: long.slice(7), err: new Error(long) }, 'x')
    const read = JSON.parse(line) as { readonly why: string; readonly fits: string; readonly err: { readonly message: string } }
    assert.equal(read.why, `${long.slice(7)}[7 more]`)
    assert.equal(read.fits, long.slice(7))
    assert.equal(read.err.message, `${long.slice(7)}[7 more]`)
  })
})
