import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createSenderRoom } from '../../src/gateway/sender-room.ts'

const keys = <T extends {}>(list: Iterable<readonly [string, T]>) => [...list].map(([key]) => key)

suite('Room for what anybody can send', () => {
  test('gives one sender a share: beyond it its own least used gives way', () => {
    const room = createSenderRoom<number>({ sizeMax: 10, senderSizeMax: 3 })
    room.add('other', 0, 'b')
    for (const key of ['1', '2', '3']) room.add(key, 1, 'a')
    assert.equal(room.hasRoom('a'), false)
    room.get('1')
    room.add('4', 1, 'a')
    assert.deepEqual([keys(room.of('a')), keys(room.of('b')), room.count], [['3', '1', '4'], ['other'], 4])
  })

  test('goes by size, where things have one', () => {
    const room = createSenderRoom<string>({ sizeMax: 20, senderSizeMax: 10, sizeOf: (text) => text.length })
    for (const key of ['1', '2', '3']) room.add(key, 'xxx', 'a')
    assert.deepEqual([room.hasRoom('a', 1), room.hasRoom('a', 2)], [true, false])
    room.add('4', 'xxxxxxx', 'a')
    assert.deepEqual(keys(room.of('a')), ['3', '4'])
  })

  test('that is full gives up what was not used for longest, and what is known stays with who brought it', () => {
    const room = createSenderRoom<number>({ sizeMax: 3, senderSizeMax: 2 })
    room.add('1', 1, 'a')
    room.add('2', 1, 'b')
    room.add('2', 2, 'c')
    room.add('3', 1, 'b')
    room.get('1')
    room.add('4', 1, 'd')
    assert.deepEqual([room.get('1'), room.get('2'), room.get('3'), keys(room.of('c'))], [1, undefined, 1, []])
    room.delete('3')
    assert.deepEqual([keys(room.of('b')), room.count], [[], 2])
  })
})
