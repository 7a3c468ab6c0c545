import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import fc from 'fast-check'
import { mayReuse } from '../../../src/authority/sign-on/session-limits.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { importFiles } from '../../../src/config/pingfederate/import-files.ts'
import type { Imported } from '../../../src/config/pingfederate/imported.ts'
import type { Config } from '../../../src/config/schema.ts'
import { createKit, signInTo } from '../../authority/kit.ts'

/** What the admin API answers; without changes as shipped. */
const global = {
  enableSessions: false,
  persistentSessions: false,
  hashUniqueUserKeyAttribute: false,
  idleTimeoutMins: 60,
  idleTimeoutDisplayUnit: 'MINUTES',
  maxTimeoutMins: 480,
  maxTimeoutDisplayUnit: 'MINUTES'
}
const settings = { trackAdapterSessionsForLogout: false, revokeUserSessionOnLogout: true, sessionRevocationLifetime: 490 }

function policy(source: string, more: object = {}): object {
  return {
    id: `${source}Policy`,
    authenticationSource: {
      type: 'IDP_ADAPTER',
      sourceRef: { id: source, location: `https://localhost:9999/pf-admin-api/v1/idp/adapters/${source}` }
    },
    enableSessions: true,
    authnContextSensitive: false,
    userDeviceType: 'PRIVATE',
    ...more
  }
}

function imported(...answers: readonly unknown[]): Imported {
  return importFiles(answers.map((answer, i) => ({ path: `api/${i}.json`, name: `${i}.json`, text: JSON.stringify(answer, null, 2) })))
}

function bulk(...operations: readonly (readonly [resourceType: string, ...items: unknown[]])[]): object {
  const saved = operations.map(([resourceType, ...items]) => ({ resourceType, operationType: 'SAVE', items }))
  return { metadata: { pfVersion: '12.1.0.0' }, operations: saved }
}

function loaded(result: Imported, more: object = {}): Config {
  const { sessions, signOn, ...others } = result.settings
  const text = JSON.stringify({
    ...others,
    server: { baseUrl: 'https://login.example.com' },
    saml: { keys: [{ key: 'k.pem', certificate: 'c.pem' }] },
    sessions: { ...(sessions as object), secretFile: 'secret' },
    signOn: { users: 'users.yaml', ...(signOn as object), ...more }
  })
  const read = parseConfig(text, '/nowhere/curfew.yaml', { environment: {} })
  assert.ok(read.ok, JSON.stringify(read))
  return read.loaded.config
}

function refusal(...answers: readonly unknown[]): readonly [code: string, why: string] {
  try {
    imported(...answers)
  } catch (error) {
    if (isCurfewError(error)) return [error.code, String(error.context['why'])]
    throw error
  }
  return assert.fail('imported')
}

const fatesOf = ({ lines }: Imported): Readonly<Record<string, string>> => Object.fromEntries(lines.map(({ key, fate }) => [key, fate]))

suite('Import of the session policies of PingFederate', () => {
  test('AC-120 sessions that are off there, as shipped, stay off here', () => {
    const result = imported(global)
    assert.deepEqual(result.settings, {
      sessions: { enabled: false, persistent: false, hashUserKeys: false, idleMinutes: 60, maxMinutes: 480 },
      signOn: { sessionState: 'none' }
    })
    const { sessions, signOn } = loaded(result)
    assert.equal(sessions.enabled, false)
    assert.equal(mayReuse({ sourceId: 'form' } as Parameters<typeof mayReuse>[0], 'form', sessions, signOn.sessionState), false)
  })

  test('AC-120 with the imported configuration every application asks for the password', async () => {
    const { sessions, signOn } = loaded(imported(global))
    await using kit = await createKit({ sessions: { enabled: sessions.enabled }, signOn: { sessionState: signOn.sessionState } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const second = await browser.get(await kit.partner('intranet').ssoRedirect())
    assert.match((await browser.get(String(second.headers.location))).body, /type="password"/)
  })

  test('AC-120 sessions that are on there stay on here, with their timeouts', () => {
    const result = imported(
      {
        ...global,
        enableSessions: true,
        persistentSessions: true,
        hashUniqueUserKeyAttribute: true,
        idleTimeoutMins: -1,
        maxTimeoutMins: 1_576_800,
        maxTimeoutDisplayUnit: 'DAYS'
      },
      { ...settings, revokeUserSessionOnLogout: false, sessionRevocationLifetime: 600 }
    )
    const { sessions, signOn } = loaded(result)
    const { enabled, persistent, hashUserKeys, idleMinutes, maxMinutes, revokeOnLogout, revocationMinutes } = sessions
    assert.deepEqual(
      { enabled, persistent, hashUserKeys, idleMinutes, maxMinutes, revokeOnLogout, revocationMinutes },
      { enabled: true, persistent: true, hashUserKeys: true, idleMinutes: -1, maxMinutes: 1_576_800, revokeOnLogout: false, revocationMinutes: 600 }
    )
    assert.equal(signOn.sessionState, 'globally', 'nothing is said of the form where sessions are on')
  })

  test('AC-120 the policy of a source overrides the global one here as there, where the source can have that id', () => {
    const result = imported(global, {
      items: [policy('staff', { persistent: true, idleTimeoutMins: 30, maxTimeoutMins: 90, timeoutDisplayUnit: 'MINUTES', userDeviceType: 'ANY' })]
    })
    const { sessions } = loaded(result, { sourceId: 'staff' })
    assert.equal(sessions.enabled, false)
    assert.deepEqual(sessions.sources, { staff: { enabled: true, persistent: true, idleMinutes: 30, maxMinutes: 90, deviceType: 'any' } })
    assert.equal(mayReuse({ sourceId: 'staff' } as Parameters<typeof mayReuse>[0], 'staff', sessions, 'none'), true)
  })

  test('AC-120 a source that is off while all others are on stays off', () => {
    const { sessions, signOn } = loaded(imported({ ...global, enableSessions: true }, policy('form', { enableSessions: false })))
    assert.equal(sessions.enabled, true)
    assert.equal(mayReuse({ sourceId: 'form' } as Parameters<typeof mayReuse>[0], 'form', sessions, signOn.sessionState), false)
  })

  test('AC-120 a source whose name can be no id here is written by hand', () => {
    const result = imported({ items: [policy('HTMLForm', { enableSessions: false, idleTimeoutMins: 30, maxTimeoutMins: 90 }), policy('constructor')] })
    assert.deepEqual(result.settings, { sessions: { sources: { constructor: { enabled: true, deviceType: 'private' } } } })
    const hand = result.lines.filter(({ fate }) => fate === 'by-hand').map(({ key, value, setting }) => `${key}=${value} ${setting}`)
    assert.deepEqual(hand, [
      'HTMLForm.enableSessions=false sessions.sources.<id>.enabled',
      'HTMLForm.userDeviceType=PRIVATE sessions.sources.<id>.deviceType',
      'HTMLForm.idleTimeoutMins=30 sessions.sources.<id>.idleMinutes',
      'HTMLForm.maxTimeoutMins=90 sessions.sources.<id>.maxMinutes'
    ])
  })

  test('AC-120 a bulk export gives the same as single answers, and every other operation has a line', () => {
    const items = [policy('staff'), policy('HTMLForm')]
    const single = imported(global, settings, { items })
    const whole = imported(
      bulk(
        ['/keyPairs/signing', { id: 'k', encryptedPassword: 'hunter2' }],
        ['/session/settings', settings],
        ['/session/applicationSessionPolicy', { idleTimeoutMins: 60, maxTimeoutMins: 480 }],
        ['/session/authenticationSessionPolicies/global', global],
        ['/session/authenticationSessionPolicies', ...items],
        ['/session/sauce', {}]
      )
    )
    assert.deepEqual(whole.settings, { ...single.settings })
    assert.equal(whole.lines.length, single.lines.length + 5)
    const fates = fatesOf(whole)
    assert.equal(fates['metadata'], 'elsewhere')
    assert.equal(fates['/keyPairs/signing'], 'elsewhere')
    assert.equal(fates['/session/sauce'], 'unknown')
    assert.doesNotMatch(JSON.stringify(whole), /hunter2/)
  })

  test('AC-120 what a bulk export deletes counts for nothing, and items that are none are said', () => {
    const { lines, settings: none } = imported({
      operations: [
        { resourceType: '/session/authenticationSessionPolicies', operationType: 'DELETE', itemIds: ['x'] },
        { resourceType: '/session/settings', operationType: 'SAVE' },
        { resourceType: '/session/settings', operationType: 'SAVE', items: [1] },
        { resourceType: '/configStore', operationType: 'DELETE', subResource: 'a.b', itemIds: ['x'] },
        7
      ]
    })
    assert.deepEqual(none, {})
    assert.deepEqual(
      lines.map(({ key, value, fate }) => [key, value, fate]),
      [
        ['/session/authenticationSessionPolicies', 'DELETE', 'unused'],
        ['/session/settings', 'SAVE', 'unreadable'],
        ['/session/settings', 'SAVE', 'unreadable'],
        ['/configStore a.b', 'DELETE', 'elsewhere'],
        ['', '', 'unknown']
      ]
    )
  })

  test('AC-120 fields that nobody documented and values that no field has are listed with their line', () => {
    const { lines, settings: taken } = imported({
      ...global,
      sauce: { hot: 1 },
      toString: 'x',
      idleTimeoutMins: 0,
      maxTimeoutMins: null,
      enableSessions: 'maybe'
    })
    const known = lines.filter(({ fate }) => fate === 'unknown' || fate === 'unreadable' || fate === 'none').map(({ line, key, fate }) => [line, key, fate])
    assert.deepEqual(known, [
      [2, 'enableSessions', 'unreadable'],
      [5, 'idleTimeoutMins', 'unreadable'],
      [6, 'idleTimeoutDisplayUnit', 'none'],
      [7, 'maxTimeoutMins', 'none'],
      [8, 'maxTimeoutDisplayUnit', 'none'],
      [10, 'sauce.hot', 'unknown'],
      [12, 'toString', 'unknown']
    ])
    assert.deepEqual(taken, { sessions: { persistent: false, hashUserKeys: false } })
  })

  test('AC-120 nothing is lost: every field of every answer has exactly one line', () => {
    const leaf = fc.oneof(fc.boolean(), fc.integer({ min: -1, max: 10 }), fc.constantFrom('PRIVATE', 'x', null), fc.constant([]))
    const names = [...Object.keys(global), ...Object.keys(settings), 'persistent', 'userDeviceType', 'constructor', '__proto__', 'x']
    const more = fc.array(fc.tuple(fc.constantFrom(...names), leaf), { maxLength: 12 })
    fc.assert(
      fc.property(more, fc.constantFrom('staff', 'HTMLForm', '__proto__', ''), (fields, source) => {
        const begin = `"authenticationSource": {"type": "IDP_ADAPTER", "sourceRef": {"id": ${JSON.stringify(source)}}}`
        const text = `{${[begin, ...fields.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)].join(',\n')}}`
        try {
          const { lines, settings: taken } = importFiles([{ path: 'a.json', name: 'a.json', text }])
          assert.deepEqual(
            lines.map(({ key }) => key),
            ['authenticationSource.type', 'authenticationSource.sourceRef.id', ...fields.map(([name]) => name)].map((name) => `${source}.${name}`)
          )
          assert.ok(source === 'staff' || Object.keys(taken).length === 0)
        } catch (error) {
          if (!isCurfewError(error)) throw error
          assert.match(String(error.context['why']), /is more than maxTimeoutMins/)
        }
        assert.equal(Object.keys(Object.prototype).length, 0)
      })
    )
  })

  test('AC-120 the session settings join those of the files of a node', () => {
    const { settings: both } = importFiles([
      { path: 'size-limits.conf', name: 'size-limits.conf', text: 'IdpSessionRegistryMapImpl.expiry.mins=600\n' },
      { path: 'global', name: 'global', text: JSON.stringify({ enableSessions: true }) }
    ])
    assert.deepEqual(both, { sessions: { registryMinutes: 600, enabled: true } })
  })

  test('AC-120 answers that contradict each other are refused', () => {
    assert.deepEqual(refusal({ ...global, idleTimeoutMins: 500 }), ['CURFEW_IMPORT_REFUSED', 'idleTimeoutMins (500) is more than maxTimeoutMins (480)'])
    assert.deepEqual(refusal(global, bulk(['/session/authenticationSessionPolicies/global', global])), [
      'CURFEW_IMPORT_REFUSED',
      'there is /session/authenticationSessionPolicies/global twice'
    ])
    assert.deepEqual(refusal({ items: [policy('staff'), policy('staff')] }), ['CURFEW_IMPORT_REFUSED', 'there is a policy of the source "staff" twice'])
  })

  test('AC-120 JSON that says nothing of sessions is refused', () => {
    const foreign = ['CURFEW_IMPORT_JSON', 'it is neither an answer of /session/... of the admin API nor a bulk export']
    for (const answer of [{}, [], 7, { resultId: 'not_authorized', message: 'no' }, { items: [{ id: 'x' }] }, { items: [global] }])
      assert.deepEqual(refusal(answer), foreign)
    assert.deepEqual(imported({ items: [] }), { settings: {}, lines: [] })
  })

  test('AC-120 a field of the admin API in curfew.yaml is answered with the setting that takes its place', () => {
    const result = parseConfig('sessions:\n  enableSessions: false\n', 'curfew.yaml', { environment: {} })
    const found = result.ok ? [] : result.findings.filter(({ code }) => code === 'CURFEW_CONFIG_UNKNOWN_KEY').map(({ line, fix }) => `${line} ${fix}`)
    assert.match(found[0] ?? '', /^2 Write `sessions\.enabled`/)
  })
})
