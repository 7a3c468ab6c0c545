import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { revocationFingerprint, type RevocationPage, verifyRevocationPage } from '@curfew/codecs'
import type { JSONWebKeySet } from 'jose'
import { revocationFeedPath } from '../../../src/authority/session-management/paths.ts'
import type { Kit } from '../kit.ts'
import { clientOf, createOidcKit, secret } from '../oidc/relying-party.ts'

const authorization = `Basic ${Buffer.from(`gate:${encodeURIComponent(secret).replaceAll('%20', '+')}`).toString('base64')}`
const stream = { accept: 'text/event-stream' }

suite('Readers of the revocation feed on their sockets', () => {
  let kit: Kit
  let port: number
  const agent = new Agent({ maxSockets: Infinity })

  before(async () => {
    kit = await createOidcKit({ clients: [clientOf('gate', { revocationFeed: true })] })
    await kit.app.listen({ host: '127.0.0.1', port: 0 })
    port = (kit.app.server.address() as AddressInfo).port
  })
  after(async () => {
    agent.destroy()
    await kit[Symbol.asyncDispose]()
  })

  async function ask(query: string, more: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
    const asked = request({ agent, host: '127.0.0.1', port, path: revocationFeedPath + query, headers: { authorization, 'x-xsrf-header': 'any', ...more } })
    const [answer] = (await once(asked.end(), 'response')) as [IncomingMessage]
    return answer
  }

  async function pageOf(token: string): Promise<RevocationPage> {
    const keys = (await kit.app.inject('/pf/JWKS')).json<JSONWebKeySet>()
    return verifyRevocationPage(token, { issuer: 'http://curfew.test', keys, now: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()) })
  }

  /** The next event of a stream: its id, and the page in it. */
  async function nextOf(answer: IncomingMessage): Promise<{ readonly id: string; readonly page: RevocationPage }> {
    const [chunk] = (await once(answer, 'data')) as [Buffer]
    const [, id = '', token = ''] = /^id: (\d+)\nevent: revocations\ndata: (\S+)\n\n$/.exec(chunk.toString()) ?? assert.fail(chunk.toString())
    return { id, page: await pageOf(token) }
  }

  const textOf = async (answer: IncomingMessage): Promise<string> => Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Buffer>)).toString()
  const fingerprints = ({ entries }: RevocationPage): readonly string[] => entries.map(({ fingerprint }) => fingerprint)

  /** Lets the clock of the authority go on until something has come: who waits looks at the list every 50 ms of it. */
  async function whileTimePasses<T>(what: Promise<T>): Promise<T> {
    let isThere = false
    const marked = what.finally(() => {
      isThere = true
    })
    while (!isThere) {
      await kit.clock.advance(50)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return marked
  }

  test('a request that waits is answered as soon as something is revoked, and with an empty page when its time is over', async () => {
    const { seq } = await pageOf(await textOf(await ask('')))
    const waiting = ask(`?after=${seq}&wait=25`)
    await kit.store.revoke('polled', kit.clock.nowMs() + 600_000, kit.clock.nowMs())
    const startMs = kit.clock.nowMs()
    const page = await pageOf(await textOf(await whileTimePasses(waiting)))
    assert.deepEqual([page.prev, fingerprints(page)], [seq, [revocationFingerprint('polled')]])
    assert.ok(kit.clock.nowMs() - startMs < 25_000)
    const againMs = kit.clock.nowMs()
    const nothing = await pageOf(await textOf(await whileTimePasses(ask(`?after=${page.seq}&wait=3600`))))
    assert.deepEqual([nothing.seq, nothing.entries], [page.seq, []])
    assert.ok(kit.clock.nowMs() - againMs >= 25_000, 'at most so long may be asked for')
  })

  test('a stream that broke goes on after the last event that its reader has', async () => {
    const nowMs = kit.clock.nowMs()
    await kit.store.revoke('first', nowMs + 600_000, nowMs)
    const broken = await ask('?after=0', stream)
    const { id } = await nextOf(broken)
    broken.destroy()
    await kit.store.revoke('second', nowMs + 600_000, nowMs)
    const again = await ask('?after=0', { ...stream, 'last-event-id': id })
    assert.deepEqual(fingerprints((await nextOf(again)).page), [revocationFingerprint('second')])
    again.destroy()
  })

  test('a stream ends after ten minutes, so that its reader proves again who it is', async () => {
    const answer = await ask('', stream)
    const text = textOf(answer)
    await kit.clock.advance(10 * 60_000)
    assert.match(await whileTimePasses(text), /^id: \d+\nevent: revocations\n/)
  })
})
