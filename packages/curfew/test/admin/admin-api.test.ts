import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request, type RequestOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { AdminClients } from '../../src/admin/context.ts'
import { type AuditView, type EventView, eventView, type ProblemView, receiptView, type RunView, runView } from '../../src/admin/schemas.ts'
import { eventStreamsMax } from '../../src/admin/event-routes.ts'
import { createAdminServer } from '../../src/admin/server.ts'
import { hashedKey } from '../../src/authority/sign-on/hashed-keys.ts'
import { receiptOf } from '../../src/engine/receipt.ts'
import { inStore } from '../../src/stores/everywhere.ts'
import { createIds } from '../../src/platform/ids.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { createEngineKit, type EngineKit } from '../support/engine-kit.ts'
import { confirms } from '../support/scripted-sender.ts'
import { createSeededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import { alone, noStreams } from './alone.ts'

const token = 'the token of the test server'

function serve(kit: EngineKit, clients?: AdminClients): FastifyInstance {
  const { store, engine, clock, metrics } = kit
  return createAdminServer({
    store,
    everywhere: inStore(store, () => clock.nowMs()),
    engine,
    clock,
    metrics,
    ids: createIds(createSeededRandom(2)),
    logger: silentLogger,
    token,
    version: '0.0.0',
    baseUrl: 'http://curfew.test',
    peers: () => [],
    ...noStreams,
    ...(clients === undefined ? {} : { clients }),
    peer: (id) => kit.deps.peer(id),
    cluster: alone,
    resetPassword: async () => assert.fail('nobody asks'),
    accountLinks: { list: async () => assert.fail('nobody asks'), remove: async () => assert.fail('nobody asks') },
    status: () => 'ok'
  })
}

interface Ask {
  readonly body?: object
  readonly authorization?: string
}

async function ask(
  app: FastifyInstance,
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  { body, authorization = `Bearer ${token}` }: Ask = {}
): Promise<LightMyRequestResponse> {
  return app.inject({ method, url, headers: { authorization }, ...(body === undefined ? {} : { payload: body }) })
}

/** By a socket: what is asked for is sent as it is written. */
async function statusOf(options: RequestOptions): Promise<number | undefined> {
  const asked = request({ ...options, agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  return answer.statusCode
}

suite('the token of the admin API', () => {
  test('is needed by every address but that of the metrics', async () => {
    await using app = serve(createEngineKit())
    for (const authorization of ['', 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`]) {
      const answer = await ask(app, 'GET', '/v1/sessions', { authorization })
      assert.equal(answer.statusCode, 401)
      assert.equal(answer.json<ProblemView>().code, 'CURFEW_API_UNAUTHORISED')
    }
    assert.equal((await ask(app, 'GET', '/v1/nothing-here', { authorization: '' })).statusCode, 401)
    assert.equal((await ask(app, 'GET', '/metrics', { authorization: '' })).statusCode, 200)
  })

  test('is needed by each route on a socket, however its address is written', async () => {
    await using app = serve(createEngineKit())
    const routes: { method: string; url: string }[] = []
    app.addHook('onRoute', ({ method, url }) => void routes.push(...[method].flat().map((one) => ({ method: one, url }))))
    await app.listen({ host: '127.0.0.1', port: 0 })
    const guarded = routes.filter(({ url }) => url !== '/metrics')
    assert.ok(guarded.length >= 20, String(guarded.length))
    const { port } = app.server.address() as AddressInfo
    const spellings = (path: string): readonly string[] => [
      path,
      path.replace('/v1', '/%761'),
      path.replace('/v1', '/v%31'),
      `http://elsewhere${path}`,
      `http://elsewhere${path.replace('/v1', '/%76%31')}`,
      `/${path}`,
      `${path}/`,
      path.toUpperCase(),
      `${path}?/metrics`,
      `${path}#/metrics`,
      `/metrics/..${path}`,
      `/metrics/%2e%2e${path}`
    ]
    for (const { method, url } of guarded) {
      for (const path of spellings(url.replaceAll(/:\w+/g, 'ana'))) {
        assert.equal(await statusOf({ host: '127.0.0.1', port, method, path }), 401, `${method} ${path}`)
      }
    }
    // The spellings do lead to the routes: with the token the encoded one is answered as the plain one.
    assert.equal(await statusOf({ host: '127.0.0.1', port, method: 'GET', path: '/%761/sessions', headers: { authorization: `Bearer ${token}` } }), 200)
  })
})

suite('sessions over the admin API', () => {
  test('lists live sessions with their applications and shows names of users to partners in short', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    const session = await kit.signIn(['payroll', 'legacy'])
    const list = (await ask(app, 'GET', '/v1/sessions?user=ana')).json<{ items: { id: string; applications: string[] }[] }>()
    assert.deepEqual(
      list.items.map(({ id, applications }) => [id, applications.sort()]),
      [[session.id, ['legacy', 'payroll']]]
    )
    const one = (await ask(app, 'GET', `/v1/sessions/${session.id}`)).json<{ participants: { peer: string; nameId: string }[] }>()
    assert.match(one.participants[0]?.nameId ?? '', /sha256/)
  })

  test('ends one session by a run, and says so when it had ended', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    const session = await kit.signIn(['payroll'])
    const first = (await ask(app, 'POST', `/v1/sessions/${session.id}/logout`)).json<{ ended: { run: string }[] }>()
    const second = (await ask(app, 'POST', `/v1/sessions/${session.id}/logout`)).json<{ ended: unknown[]; already: { run: string }[] }>()
    assert.equal(first.ended.length, 1)
    assert.deepEqual(second, { ended: [], already: first.ended, unknown: [] })
  })

  test('offline grants are listed, survive a logout, and end when the call says so', async () => {
    for (const endOfflineGrants of [false, true]) {
      const kit = createEngineKit()
      await using app = serve(kit)
      const session = await kit.signIn(['payroll'])
      const [known] = await kit.store.getParticipants(session.id)
      assert.ok(known)
      await kit.store.addParticipant(session.id, { ...known, id: 'payroll:offline:1', grant: 'offline' })
      const one = (await ask(app, 'GET', `/v1/sessions/${session.id}`)).json<{ applications: string[]; participants: { grant?: string }[] }>()
      assert.deepEqual(one.applications, ['payroll'])
      assert.deepEqual(one.participants.map(({ grant }) => grant).sort(), ['offline', undefined])
      const preview = (await ask(app, 'POST', '/v1/logout', { body: { user: 'ana', dryRun: true } })).json<{ applications: object }>()
      assert.deepEqual(preview.applications, { payroll: 1 })
      const { ended } = (await ask(app, 'POST', '/v1/logout', { body: { user: 'ana', endOfflineGrants } })).json<{ ended: { run: string }[] }>()
      const view = (await ask(app, 'GET', `/v1/runs/${ended[0]?.run ?? ''}`)).json<RunView>()
      const grant = view.deliveries.find((delivery) => delivery.grant === 'offline')
      assert.deepEqual(grant?.channels, ['server/grant'])
      assert.equal(grant?.code, endOfflineGrants ? undefined : 'CURFEW_RUN_OFFLINE_GRANT')
    }
  })

  test('does not know a session that never was', async () => {
    await using app = serve(createEngineKit())
    const answer = await ask(app, 'GET', '/v1/sessions/ses_nobody')
    assert.equal(answer.statusCode, 404)
    assert.equal(answer.json<ProblemView>().code, 'CURFEW_SESSION_UNKNOWN')
  })
})

suite('logout over the admin API', () => {
  test('a dry run tells how many sessions, users and applications, and ends nothing', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    await kit.signIn(['payroll', 'legacy'])
    await kit.signIn(['payroll'], { username: 'ben', userKey: 'local:ben' })
    const answer = await ask(app, 'POST', '/v1/logout', { body: { all: true, app: 'payroll', dryRun: true } })
    assert.deepEqual(answer.json(), { atMs: kit.clock.nowMs(), sessions: 2, users: 2, applications: { payroll: 2, legacy: 1 } })
    assert.equal(await kit.store.countLiveSessions(), 2)
  })

  test('says when there are more sessions than one call ends, and leaves those that were opened since', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    for (let i = 0; i < 5; i++) await kit.signIn(['payroll'], { userKey: `local:u${i}`, username: `u${i}` })
    const beforeMs = kit.clock.nowMs() + 1
    await kit.clock.advance(10)
    const late = await kit.signIn(['payroll'])
    const counts: number[] = []
    for (;;) {
      const part = (await ask(app, 'POST', '/v1/logout', { body: { all: true, beforeMs, max: 2 } })).json<{ ended: unknown[]; more?: true }>()
      counts.push(part.ended.length)
      if (part.more !== true) break
    }
    assert.deepEqual(counts, [2, 2, 1])
    assert.equal((await kit.store.getSession(late.id))?.end, undefined)
    assert.equal(await kit.store.countLiveSessions(), 1)
  })

  test('ends the user with certain keys, and nobody whom an identity provider calls the same', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    const hashed = await kit.signIn(['payroll'], { username: 'ana', userKey: hashedKey('local:ana') })
    const plain = await kit.signIn(['payroll'], { username: 'ana', userKey: 'local:ana' })
    const other = await kit.signIn(['payroll'], { username: 'ana', userKey: 'idp:ana' })
    const userKeys = ['local:ana', hashedKey('local:ana')]
    const preview = await ask(app, 'POST', '/v1/logout', { body: { user: 'ana', userKeys, dryRun: true } })
    assert.equal(preview.json<{ sessions: number }>().sessions, 2)
    const { ended } = (await ask(app, 'POST', '/v1/logout', { body: { user: 'ana', userKeys } })).json<{ ended: { session: string }[] }>()
    assert.deepEqual(ended.map(({ session }) => session).sort(), [hashed.id, plain.id].sort())
    assert.equal((await kit.store.getSession(other.id))?.end, undefined)
  })

  test('ends every session of a user and of nobody else', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    const mine = [await kit.signIn(['payroll']), await kit.signIn(['legacy'])].map(({ id }) => id).sort()
    await kit.signIn(['payroll'], { username: 'ben', userKey: 'local:ben' })
    const { ended } = (await ask(app, 'POST', '/v1/logout', { body: { user: 'ana', reason: 'left the company' } })).json<{
      ended: { session: string; run: `run_${string}` }[]
    }>()
    assert.deepEqual(ended.map(({ session }) => session).sort(), mine)
    assert.equal(await kit.store.countLiveSessions(), 1)
    const run = (await ask(app, 'GET', `/v1/runs/${ended[0]?.run}`)).json<RunView>()
    assert.deepEqual([run.reason, run.startedBy], ['admin', 'admin api: left the company'])
  })

  test('names every field that can not be used, with what would do', async () => {
    await using app = serve(createEngineKit())
    const answer = await ask(app, 'POST', '/v1/logout', { body: { user: 7, dryRun: 'yes' } })
    const problem = answer.json<ProblemView>()
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
    assert.deepEqual([answer.statusCode, problem.code, problem.type], [400, 'CURFEW_API_VALIDATION', 'urn:curfew:error:CURFEW_API_VALIDATION'])
    assert.deepEqual(
      problem.errors?.map(({ path, expected }) => [path, expected]),
      [
        ['body.user', 'string'],
        ['body.dryRun', 'boolean']
      ]
    )
    assert.ok(problem.remediation)
  })

  test('wants to know whose sessions, and refuses both answers at once', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    await kit.signIn(['payroll'])
    for (const body of [{}, { user: 'ana', all: true }, { all: false }]) assert.equal((await ask(app, 'POST', '/v1/logout', { body })).statusCode, 400)
    assert.equal(await kit.store.countLiveSessions(), 1)
  })
})

suite('runs over the admin API', () => {
  test('has no receipt before the run is done and says that', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    const answer = await ask(app, 'GET', `/v1/runs/${runId}/receipt`)
    assert.deepEqual([answer.statusCode, answer.json<ProblemView>().code, answer.json<ProblemView>().run], [409, 'CURFEW_API_CONFLICT', runId])
  })

  test('refuses to repeat a delivery that is still open', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    const [open] = (await kit.run(runId)).deliveries
    assert.equal((await ask(app, 'POST', `/v1/runs/${runId}/deliveries/${open?.id}/retry`)).statusCode, 409)
  })

  test('repeats a delivery that was not confirmed, once, in the same run, under the name of who asked', async () => {
    const kit = createEngineKit()
    kit.sender.script('payroll', () => ({ kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' }))
    await using app = serve(kit)
    await kit.engine.start()
    const runId = await kit.end((await kit.signIn(['payroll', 'legacy'])).id)
    await kit.clock.settle()
    const before = (await ask(app, 'GET', `/v1/runs/${runId}`)).json<RunView>()
    const [refused, fine] = ['payroll', 'legacy'].map((peer) => before.deliveries.find((delivery) => delivery.peer === peer))
    assert.deepEqual([refused?.outcome, fine?.outcome, before.verdict], ['refused', 'ended', 'partial'])
    const retry = (delivery: string): Promise<LightMyRequestResponse> => ask(app, 'POST', `/v1/runs/${runId}/deliveries/${delivery}/retry`)
    assert.equal((await retry(fine?.id ?? '')).statusCode, 409, 'what is confirmed is not asked again')
    kit.sender.script('payroll', confirms)
    const answer = await retry(refused?.id ?? '')
    assert.equal(answer.statusCode, 200)
    assert.deepEqual(
      answer.json<RunView>().deliveries.map(({ peer, retryOf }) => [peer, retryOf]),
      [
        ['legacy', undefined],
        ['payroll', undefined],
        ['payroll', refused?.id]
      ]
    )
    await kit.clock.settle()
    const after = (await ask(app, 'GET', `/v1/runs/${runId}`)).json<RunView>()
    assert.deepEqual([after.verdict, after.deliveries.map(({ outcome }) => outcome)], ['all-ended', ['ended', 'refused', 'ended']])
    assert.equal((await retry(refused?.id ?? '')).statusCode, 409, 'a second repeat of the same is refused')
    assert.equal((await retry('dlv_NOBODY')).statusCode, 409)
    const audit = (await ask(app, 'GET', '/v1/audit')).json<{ items: AuditView[] }>().items
    assert.deepEqual(
      audit.filter(({ event }) => event === 'delivery.retried').map(({ actor, peer, run }) => [actor, peer, run]),
      [['admin api', 'payroll', runId]]
    )
    await kit.engine.stop()
  })

  test('does not know a run that never was', async () => {
    await using app = serve(createEngineKit())
    assert.equal((await ask(app, 'GET', '/v1/runs/run_NOBODY')).json<ProblemView>().code, 'CURFEW_RUN_UNKNOWN')
  })
})

suite('the audit log over the admin API', () => {
  test('tells what happened in its order, of all or of one user, page by page', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    await kit.engine.start()
    const ana = await kit.end((await kit.signIn(['payroll'])).id)
    const ben = await kit.end((await kit.signIn(['payroll'], { username: 'ben', userKey: 'local:ben' })).id)
    await kit.clock.settle()
    const read = async (query: string): Promise<readonly AuditView[]> => (await ask(app, 'GET', `/v1/audit${query}`)).json<{ items: AuditView[] }>().items
    const all = await read('')
    const told = ['session.ended', 'delivery.final', 'run.finished']
    for (const run of [ana, ben])
      assert.deepEqual(
        all.filter((line) => line.run === run).map(({ event }) => event),
        told
      )
    assert.deepEqual(
      all.map(({ id }) => id),
      all.map(({ id }) => id).toSorted((a, b) => a - b)
    )
    const [ended] = all
    assert.deepEqual([ended?.event, ended?.actor, ended?.user, ended?.detail?.['reason']], ['session.ended', 'admin ops', 'local:ana', 'admin'])
    const bens = await read('?user=local%3Aben')
    assert.deepEqual(new Set(bens.map(({ run }) => run)), new Set([ben]))
    const pages = [await read('?limit=4'), await read(`?limit=4&afterId=${all[3]?.id}`)]
    assert.deepEqual(pages.flat(), all)
    assert.equal((await ask(app, 'GET', '/v1/audit?limit=0')).json<ProblemView>().code, 'CURFEW_API_VALIDATION')
    await kit.engine.stop()
  })
})

suite('events over the admin API', () => {
  test('come as server-sent events, and a stream that does not follow ends', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    await kit.engine.start()
    const run = await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.settle()
    const read = async (query: string): Promise<readonly EventView[]> => {
      const answer = await ask(app, 'GET', `/v1/events?follow=false&sinceMs=0${query}`)
      assert.match(String(answer.headers['content-type']), /^text\/event-stream/)
      return [...answer.body.matchAll(/^event: event\ndata: (.*)$/gm)].map(([, data = '']) => eventView.parse(JSON.parse(data)))
    }
    assert.deepEqual(
      (await read('')).map(({ event, run: of }) => [event, of]),
      ['session.ended', 'attempt.sent', 'delivery.final', 'run.finished'].map((event) => [event, run])
    )
    assert.deepEqual(
      (await read('&event=run.*,session.*&user=ana')).map(({ event }) => event),
      ['session.ended', 'run.finished']
    )
    assert.deepEqual(await read('&app=wiki'), [])
    await kit.engine.stop()
  })

  test('a place that can not be read is refused, so that nothing is missed without a word', async () => {
    await using app = serve(createEngineKit())
    assert.equal((await ask(app, 'GET', '/v1/events?after=7')).json<ProblemView>().code, 'CURFEW_API_VALIDATION')
    const answer = await app.inject({ url: '/v1/events', headers: { authorization: `Bearer ${token}`, 'last-event-id': 'seven' } })
    assert.equal(answer.json<ProblemView>().code, 'CURFEW_API_MALFORMED')
  })

  test('sixteen readers are served at once, and a place is free again when one of them goes', async () => {
    const kit = createEngineKit()
    await using app = serve(kit)
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const open = async (): Promise<IncomingMessage> => {
      const asked = request({ host: '127.0.0.1', port, path: '/v1/events', agent: false, headers: { authorization: `Bearer ${token}` } }).end()
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      return answer
    }
    // Whoever goes before the answer begins takes no place for good.
    for (let n = 0; n < 3 * eventStreamsMax; n++) {
      const asked = request({ host: '127.0.0.1', port, path: '/v1/events?sinceMs=0', agent: false, headers: { authorization: `Bearer ${token}` } }).end()
      asked.on('error', () => undefined)
      if (n % 3 === 0) await once(asked, 'socket')
      if (n % 3 === 1) await once(asked, 'finish')
      asked.destroy()
    }
    await until('those that went are forgotten', async () => {
      const one = await open()
      one.destroy()
      return one.statusCode === 200
    })
    const readers: IncomingMessage[] = []
    await until('all places are free', async () => {
      const one = await open()
      if (one.statusCode === 200) readers.push(one)
      else one.destroy()
      return readers.length === eventStreamsMax
    })
    assert.deepEqual(new Set(readers.map(({ statusCode }) => statusCode)), new Set([200]))
    const refused = await open()
    assert.equal(refused.statusCode, 503)
    assert.match(String(await Array.fromAsync(refused)), /CURFEW_API_EVENTS_FULL/)
    readers[0]?.destroy()
    await until('the place is free', async () => {
      const one = await open()
      if (one.statusCode === 200) readers.push(one)
      else one.destroy()
      return one.statusCode === 200
    })
    for (const reader of readers) reader.destroy()
  })
})

suite('the description of the admin API', () => {
  test('names every route with shapes of its answers', async () => {
    await using app = serve(createEngineKit())
    const document = (await ask(app, 'GET', '/v1/openapi.json')).json<{ openapi: string; paths: Record<string, object> }>()
    assert.equal(document.openapi, '3.1.0')
    assert.deepEqual(Object.keys(document.paths).sort(), [
      '/v1/audit',
      '/v1/clients',
      '/v1/clients/{id}',
      '/v1/cluster',
      '/v1/cluster/groups/{group}/forget',
      '/v1/cluster/nodes/{node}/drain',
      '/v1/cluster/nodes/{node}/undrain',
      '/v1/cluster/owner/{session}',
      '/v1/config',
      '/v1/events',
      '/v1/health',
      '/v1/logout',
      '/v1/peers',
      '/v1/runs',
      '/v1/runs/{id}',
      '/v1/runs/{id}/deliveries/{delivery}/retry',
      '/v1/runs/{id}/events',
      '/v1/runs/{id}/receipt',
      '/v1/sessions',
      '/v1/sessions/{id}',
      '/v1/sessions/{id}/logout',
      '/v1/streams',
      '/v1/streams/{connection}/status',
      '/v1/streams/{connection}/verify',
      '/v1/users/{name}/links',
      '/v1/users/{name}/links/{id}',
      '/v1/users/{name}/password-reset'
    ])
    assert.match(JSON.stringify(document.paths['/v1/runs/{id}']), /waiting-for-browser/)
  })

  test('says of every call what a problem looks like, of receipts and events what is inside, and refers to nothing that is not there', async () => {
    await using app = serve(createEngineKit())
    const answer = await ask(app, 'GET', '/v1/openapi.json')
    const { paths, components } = answer.json<{
      paths: Record<string, Record<string, { responses: Record<string, { content?: Record<string, { schema: object }> }> }>>
      components: { schemas: Record<string, { required?: string[] }> }
    }>()
    for (const [path, calls] of Object.entries(paths))
      for (const [method, { responses }] of Object.entries(calls))
        assert.deepEqual(
          responses['default']?.content,
          { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
          `${method} ${path}`
        )
    const contentOf = (path: string) => paths[path]?.['get']?.responses['200']?.content
    assert.deepEqual(contentOf('/v1/runs/{id}/receipt')?.['application/jose']?.schema, {
      type: 'string',
      contentEncoding: 'base64url',
      contentMediaType: 'application/json',
      contentSchema: { $ref: '#/components/schemas/Receipt' }
    })
    assert.match(JSON.stringify(contentOf('/v1/runs/{id}/events')?.['text/event-stream']?.schema), /schemas\/Run"/)
    for (const [, name = ''] of answer.body.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) assert.ok(components.schemas[name] !== undefined, name)
    assert.ok(components.schemas['Problem']?.required?.includes('code'))
  })

  test('a receipt and an event are of the shape that it names', async () => {
    const kit = createEngineKit({ deps: { receipts: { sign: async (run) => JSON.stringify(receiptOf('http://curfew.test', run)) } } })
    kit.sender.script('payroll', () => ({ kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' }))
    await using app = serve(kit)
    await kit.engine.start()
    const runId = await kit.end((await kit.signIn(['payroll', 'legacy'])).id)
    await kit.clock.settle()
    const receipt = await ask(app, 'GET', `/v1/runs/${runId}/receipt`)
    assert.match(String(receipt.headers['content-type']), /^application\/jose/)
    assert.deepEqual(receiptView.parse(receipt.json()), receipt.json())
    const events = await ask(app, 'GET', `/v1/runs/${runId}/events`)
    assert.match(String(events.headers['content-type']), /^text\/event-stream/)
    const [, data = ''] = /^event: run\ndata: (.*)$/m.exec(events.body) ?? []
    assert.equal(runView.parse(JSON.parse(data)).id, runId)
    await kit.engine.stop()
  })
})

suite('registered clients over the admin API', () => {
  const record = {
    metadata: {
      client_name: 'Notes',
      redirect_uris: ['https://notes.example.org/cb'],
      token_endpoint_auth_method: 'none',
      backchannel_logout_uri: 'https://notes.example.org/out'
    },
    secretHash: 'never shown',
    tokenHash: 'never shown',
    issuedAtMs: 1,
    by: 'partners'
  }

  test('are listed without a secret, and removed once', async () => {
    const removed: string[] = []
    const remove = async (id: string): Promise<boolean> => id === 'dyn-1' && removed.push(id) === 1
    const kit = createEngineKit()
    await using app = serve(kit, { list: async () => [{ clientId: 'dyn-1', record }], remove })
    const list = await ask(app, 'GET', '/v1/clients')
    assert.deepEqual(list.json(), {
      items: [
        {
          id: 'dyn-1',
          name: 'Notes',
          redirectUris: ['https://notes.example.org/cb'],
          authentication: 'none',
          logoutUris: ['https://notes.example.org/out'],
          registeredAtMs: 1,
          registeredWith: 'partners'
        }
      ]
    })
    assert.equal((await ask(app, 'DELETE', '/v1/clients/dyn-1')).statusCode, 200)
    assert.equal((await ask(app, 'DELETE', '/v1/clients/dyn-1')).statusCode, 404)
    const audit = await kit.store.listAudit({ limit: 10 })
    assert.deepEqual(
      audit.map(({ event, peerId }) => [event, peerId]),
      [['client.removed', 'dyn-1']]
    )
  })

  test('there are none where nobody may register', async () => {
    await using app = serve(createEngineKit())
    assert.deepEqual((await ask(app, 'GET', '/v1/clients')).json(), { items: [] })
    assert.equal((await ask(app, 'DELETE', '/v1/clients/dyn-1')).statusCode, 404)
  })
})
