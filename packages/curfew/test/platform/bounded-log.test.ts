import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createBoundedLog, kindsMax, linesMax, windowMs } from '../../src/platform/bounded-log.ts'
import { createFakeClock } from '../authority/fake-clock.ts'

function log() {
  const clock = createFakeClock()
  const written: { readonly level: string; readonly fields: Readonly<Record<string, unknown>> }[] = []
  const note = (level: string) => (fields: object) => void written.push({ level, fields: fields as Readonly<Record<string, unknown>> })
  return { clock, written, logger: createBoundedLog({ info: note('info'), warn: note('warn'), error: note('error') }, clock) }
}

suite('A log that strangers can make write', () => {
  test('has so many lines of one event and code in a minute, and then one that says how many were left out', () => {
    const { clock, written, logger } = log()
    const refused = { event: 'request.refused', code: 'CURFEW_API_NOT_FOUND' }
    for (let i = 0; i < linesMax; i++) logger.warn(refused, 'x')
    assert.equal(written.length, linesMax)
    for (let i = 0; i < 7; i++) logger.warn(refused, 'x')
    assert.equal(written.length, linesMax)
    clock.advance(windowMs)
    const { level, fields } = written.at(-1) ?? assert.fail()
    assert.deepEqual([written.length, level], [linesMax + 1, 'warn'])
    assert.deepEqual(fields, { event: 'log.left-out', of: 'request.refused', code: 'CURFEW_API_NOT_FOUND', lines: 7, seconds: windowMs / 1000 })
    logger.warn(refused, 'x')
    assert.equal(written.length, linesMax + 2)
    clock.advance(windowMs)
    assert.equal(written.length, linesMax + 2, 'nothing was left out')
  })

  test('a flood of one kind takes no line from another, and none from what was done', () => {
    const { written, logger } = log()
    for (let i = 0; i < 2 * linesMax; i++) logger.warn({ event: 'a', code: 'X' }, 'x')
    written.length = 0
    logger.warn({ event: 'a', code: 'Y' }, 'x')
    logger.error({ event: 'a', code: 'X' }, 'x')
    logger.warn({ event: 'b' }, 'x')
    for (let i = 0; i < 2 * linesMax; i++) logger.info({ event: 'a', code: 'X' }, 'x')
    assert.equal(written.length, 3 + 2 * linesMax)
  })

  test('counts so many kinds apart and no more, and forgets them', () => {
    const { clock, written, logger } = log()
    for (let i = 0; i < kindsMax + linesMax + 5; i++) logger.warn({ event: `made up ${i}` }, 'x')
    assert.equal(written.length, kindsMax + linesMax)
    clock.advance(windowMs)
    assert.deepEqual([written.length, written.at(-1)?.fields['of'], written.at(-1)?.fields['lines']], [kindsMax + linesMax + 1, 'others', 5])
    written.length = 0
    for (let i = 0; i < kindsMax; i++) logger.warn({ event: `made up again ${i}` }, 'x')
    assert.equal(written.length, kindsMax)
  })
})
