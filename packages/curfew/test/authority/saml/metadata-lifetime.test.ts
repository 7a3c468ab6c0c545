import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, type EntityDescriptor, serialiseMetadata, signMessage } from '@curfew/codecs'
import { type LiveConnections, openConnections } from '../../../src/authority/saml/connections.ts'
import type { ConnectionSettings } from '../../../src/authority/saml/settings.ts'
import { createFakeClock, type FakeClock, startMs } from '../fake-clock.ts'
import { makeKeyPair } from '../key-pairs.ts'

const own = makeKeyPair('curfew')
const partner = makeKeyPair('partners')
const federation = makeKeyPair('federation')
const minuteMs = 60_000
const md = 'xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"'

function entityXml(name: string, role: Partial<NonNullable<EntityDescriptor['sp']>> = {}, own: Partial<EntityDescriptor> = {}): string {
  const { head, tail } = serialiseMetadata({
    id: `_${name}`,
    entityId: `urn:${name}`,
    sp: {
      keys: [{ use: 'signing', certificates: [partner.certificate] }],
      nameIdFormats: [],
      singleLogoutServices: [{ binding: bindingUri('redirect'), location: `http://${name}.test/slo` }],
      assertionConsumerServices: [{ binding: bindingUri('post'), location: `http://${name}.test/acs`, index: 0, isDefault: true }],
      authnRequestsSigned: true,
      wantAssertionsSigned: true,
      ...role
    },
    ...own
  })
  return head + tail
}

/** What a federation publishes: two lists, one in the other, signed as a whole. */
function aggregate(attributes: { readonly outer?: string; readonly inner?: string }, entities: readonly string[]): Promise<string> {
  const inside = entities.map((entity) => entity.replace(` ${md}`, '')).join('')
  const head = `<md:EntitiesDescriptor ${md} ID="_list"${attributes.outer ?? ''}>`
  const tail = `<md:EntitiesDescriptor${attributes.inner ?? ''}>${inside}</md:EntitiesDescriptor></md:EntitiesDescriptor>`
  return signMessage({ head, tail, id: '_list' }, { key: federation.key, algorithm: 'ecdsa-sha256' })
}

interface Watched extends AsyncDisposable {
  readonly connections: LiveConnections
  readonly clock: FakeClock
  /** Which addresses were read, and when in minutes from the start. */
  readonly readings: (readonly [url: string, atMinutes: number])[]
  /** Connection and reason. */
  readonly problems: string[]
  /** What is at an address from now on; undefined: nothing answers. */
  publish(url: string, xml: string | undefined): void
  pass(minutes: number): Promise<void>
}

async function watch(published: Readonly<Record<string, string | undefined>>, settings: readonly ConnectionSettings[]): Promise<Watched> {
  const clock = createFakeClock()
  const readings: [string, number][] = []
  const problems: string[] = []
  const at = new Map(Object.entries(published))
  const connections = await openConnections(
    {
      clock,
      ownKeys: [{ key: own.key, algorithm: 'ecdsa-sha256', certificate: own.certificate }],
      readFile: async (path) => Buffer.from(path === '/federation.pem' ? federation.certificatePem : (at.get(path) ?? assert.fail(path))),
      fetchMetadata: async (url) => {
        readings.push([url, (clock.nowMs() - startMs) / minuteMs])
        return Buffer.from(at.get(url) ?? assert.fail('down'))
      },
      onProblem: (id, error) => void problems.push(`${id}: ${error instanceof Error && 'context' in error ? JSON.stringify(error.context) : 'down'}`)
    },
    { applications: settings, identityProviders: [] }
  )
  return {
    connections,
    clock,
    readings,
    problems,
    publish: (url, xml) => void at.set(url, xml),
    async pass(minutes) {
      clock.advance(minutes * minuteMs)
      for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve))
    },
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose]()
  }
}

const url = 'http://federation.test/all'
const fromFederation: ConnectionSettings = { id: 'payroll', entityId: 'urn:payroll', metadata: { url, certificate: '/federation.pem' } }
const until = (minutes: number): string => new Date(startMs + minutes * minuteMs).toISOString()

suite('SAML Metadata 2.3.1 and 2.4.1: metadata ends when the first element around it does', () => {
  const ends: readonly (readonly [string, () => Promise<string>])[] = [
    ['the signed aggregate', () => aggregate({ outer: ` validUntil="${until(90)}"` }, [entityXml('wiki'), entityXml('payroll')])],
    ['an aggregate inside it', () => aggregate({ inner: ` validUntil="${until(90)}"` }, [entityXml('wiki'), entityXml('payroll')])],
    ['the role', () => aggregate({}, [entityXml('payroll', { validUntil: Temporal.Instant.from(until(90)) }), entityXml('wiki')])],
    [
      'the aggregate, whatever the entity says',
      () => aggregate({ outer: ` validUntil="${until(90)}"` }, [entityXml('payroll', {}, { validUntil: Temporal.Instant.from(until(900)) })])
    ]
  ]
  for (const [what, published] of ends) {
    test(`${what} ends: the connection is not used any longer, and a start with it is a problem`, async () => {
      const xml = await published()
      await using watched = await watch({ [url]: xml }, [fromFederation])
      assert.equal(watched.connections.metadata('payroll')?.validUntilMs, startMs + 90 * minuteMs)
      watched.publish(url, undefined)
      await watched.pass(60)
      assert.equal(watched.connections.application('urn:payroll')?.id, 'payroll')
      // Somebody between plays the former aggregate, which was signed once.
      watched.publish(url, xml)
      await watched.pass(31)
      assert.equal(watched.connections.application('urn:payroll'), undefined)
      assert.match(watched.problems.at(-1) ?? '', /past its validUntil/)
    })
  }

  test('a file that has ended is refused at the start', async () => {
    const ended = await aggregate({ outer: ` validUntil="${until(-1)}"` }, [entityXml('payroll')])
    await assert.rejects(watch({ '/all.xml': ended }, [{ ...fromFederation, metadata: { file: '/all.xml' } }]), { code: 'CURFEW_CONFIG_CONNECTION' })
  })
})

test('a reading that is under way at the stop is the last one', async () => {
  const watched = await watch({ [url]: await aggregate({}, [entityXml('payroll')]) }, [fromFederation])
  watched.clock.advance(60 * minuteMs)
  await watched.connections[Symbol.asyncDispose]()
  await watched.pass(0)
  assert.equal(watched.readings.length, 2)
  for (let hours = 0; hours < 3; hours++) await watched.pass(60)
  assert.equal(watched.readings.length, 2)
})

suite('SAML Metadata 2.3.2: a partner says how soon it is to be read again', () => {
  const times = async (attributes: Parameters<typeof aggregate>[0], refreshMinutes: number | undefined, minutes: number): Promise<readonly number[]> => {
    const metadata = { ...fromFederation.metadata, ...(refreshMinutes === undefined ? {} : { refreshMinutes }) }
    await using watched = await watch({ [url]: await aggregate(attributes, [entityXml('payroll')]) }, [{ ...fromFederation, metadata }])
    for (let i = 0; i < minutes; i++) await watched.pass(1)
    return watched.readings.map(([, at]) => at)
  }
  test('sooner than configured', async () => assert.deepEqual(await times({ outer: ' cacheDuration="PT20M"' }, undefined, 59), [0, 20, 40]))
  test('later than configured: as configured', async () => assert.deepEqual(await times({ inner: ' cacheDuration="P1D"' }, 25, 59), [0, 25, 50]))
  test('never more often than every five minutes, unless configured', async () => {
    assert.deepEqual(await times({ inner: ' cacheDuration="PT1S"' }, undefined, 14), [0, 5, 10])
    assert.deepEqual(await times({ inner: ' cacheDuration="PT0S"' }, 2, 5), [0, 2, 4])
  })
})

suite('Two connections that turn out to be one entity', () => {
  const [one, two] = ['http://one.test/metadata', 'http://two.test/metadata']
  const both: readonly ConnectionSettings[] = [
    { id: 'one', metadata: { url: one } },
    { id: 'two', metadata: { url: two } }
  ]

  test('the second is left out and reported, and everything else is read on', async () => {
    await using watched = await watch({ [one]: undefined, [two]: entityXml('payroll') }, both)
    watched.publish(one, entityXml('payroll'))
    await watched.pass(1)
    assert.equal(watched.connections.application('urn:payroll')?.id, 'two')
    assert.deepEqual(watched.problems, ['one: down', 'one: {"connection":"one","reason":"its entity ID urn:payroll belongs to the connection two"}'])
    watched.publish(two, entityXml('payroll', { ui: { displayNames: { en: 'Payroll 2' }, logos: [] } }))
    for (let i = 0; i < 60; i++) await watched.pass(1)
    assert.equal(watched.connections.application('urn:payroll')?.name, 'Payroll 2', 'the other goes on to be read')
    watched.publish(one, entityXml('wiki'))
    await watched.pass(1)
    assert.deepEqual(
      watched.connections.all().map(({ id, entityId }) => [id, entityId]),
      [
        ['one', 'urn:wiki'],
        ['two', 'urn:payroll']
      ]
    )
  })

  test('also at the start: the server goes on without the later one', async () => {
    await using watched = await watch({ [one]: entityXml('payroll'), [two]: entityXml('payroll') }, both)
    assert.deepEqual(
      watched.connections.all().map(({ id }) => id),
      ['one']
    )
    assert.equal(watched.problems.length, 1)
    await watched.pass(1)
    assert.equal(watched.problems.length, 2, 'and asks again')
  })

  test('one that ended meanwhile is dropped and asked again while two are one entity', async () => {
    const ending = entityXml('wiki', {}, { validUntil: Temporal.Instant.from(until(30)) })
    await using watched = await watch({ [one]: undefined, [two]: entityXml('payroll'), 'http://three.test/metadata': ending }, [
      ...both,
      { id: 'three', metadata: { url: 'http://three.test/metadata' } }
    ])
    watched.publish(one, entityXml('payroll'))
    for (let i = 0; i < 31; i++) await watched.pass(1)
    assert.equal(watched.connections.application('urn:wiki'), undefined)
    watched.publish('http://three.test/metadata', entityXml('wiki'))
    await watched.pass(1)
    assert.equal(watched.connections.application('urn:wiki')?.id, 'three')
  })
})
