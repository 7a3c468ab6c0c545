import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { draftText, freeId, hostOf } from '../../../src/config/imports/draft.ts'
import { id } from '../../../src/config/values.ts'

suite('a draft of curfew.yaml', () => {
  test('comments stand above what they are about, and nothing in them becomes a setting', () => {
    const text = draftText({
      settings: { sessions: { idleMinutes: 30 }, connections: [{ id: 'a' }, { id: 'b' }] },
      comments: { '': ['whole'], 'sessions.idleMinutes': ['idle'], 'connections.0': ['first'], 'connections.1': ['second\nserver: { baseUrl: x }'] }
    })
    assert.equal(text, '# whole\n\nsessions:\n  # idle\n  idleMinutes: 30\nconnections:\n  # first\n  - id: a\n  # second server: { baseUrl: x }\n  - id: b\n')
    assert.deepEqual(parse(text), { sessions: { idleMinutes: 30 }, connections: [{ id: 'a' }, { id: 'b' }] })
  })

  test('an id fits the schema whatever it is made of, and is given once', () => {
    const taken = new Set<string>()
    for (const text of ['Café  Ünïcode', '42 is the answer', 'x'.repeat(200), 'x'.repeat(200), '', '日本', 'A--b', 'partner'])
      assert.ok(id.safeParse(freeId([text], taken)).success, text)
    assert.equal(taken.size, 8)
    assert.equal(hostOf('https://www.wiki.example.com/x'), 'wiki.example.com')
    assert.equal(hostOf('urn:example:portal'), 'example:portal')
  })
})
