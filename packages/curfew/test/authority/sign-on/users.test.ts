import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkPolicy } from '../../../src/authority/sign-on/session-limits.ts'
import { parseUsers } from '../../../src/authority/sign-on/users.ts'

suite('the users file', () => {
  test('reads people with one or many values per attribute', () => {
    const users = parseUsers(
      'users:\n  - username: Ana\n    password: $argon2id$v=19$x\n    attributes: { mail: ana@example.org, groups: [a, b] }\n',
      'users.yaml'
    )
    assert.deepEqual(users.get('ana')?.attributes, { mail: ['ana@example.org'], groups: ['a', 'b'] })
    assert.equal(users.get('ana')?.username, 'Ana')
  })

  for (const [name, text] of [
    ['a plain password', 'users: [{ username: ana, password: secret }]'],
    ['an unknown key', 'users: [{ username: ana, password: $argon2id$x, pasword: y }]'],
    ['the same person twice', 'users: [{ username: ana, password: $argon2id$x }, { username: ANA, password: $argon2id$x }]'],
    ['broken YAML', 'users: [']
  ] as const) {
    test(`refuses ${name}`, () => {
      assert.throws(() => parseUsers(text, 'users.yaml'), { code: 'CURFEW_CONFIG_USERS' })
    })
  }
})

suite('session limits', () => {
  test('AC-121 refuses a maximum below the idle limit and values out of range', () => {
    const policy = { enabled: true, persistent: false, deviceType: 'private' } as const
    assert.throws(() => checkPolicy({ ...policy, idleMinutes: 61, maxMinutes: 60 }), { code: 'CURFEW_CONFIG_SESSION_LIMITS' })
    assert.throws(() => checkPolicy({ ...policy, idleMinutes: 0, maxMinutes: 60 }), { code: 'CURFEW_CONFIG_SESSION_LIMITS' })
    assert.throws(() => checkPolicy({ ...policy, idleMinutes: 60, maxMinutes: 1_576_801 }), { code: 'CURFEW_CONFIG_SESSION_LIMITS' })
    assert.doesNotThrow(() => checkPolicy({ ...policy, idleMinutes: 60, maxMinutes: 1_576_800 }))
    assert.doesNotThrow(() => checkPolicy({ ...policy, idleMinutes: 600, maxMinutes: -1 }))
  })
})
