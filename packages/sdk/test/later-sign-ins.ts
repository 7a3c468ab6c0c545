import assert from 'node:assert/strict'
import type { LogoutRequest } from '@curfew/codecs'
import type { SessionRegistry } from '../src/index.ts'
import { type Begun, beginSignIn, bringAnswer, createStage, request, type Stage } from './provider.ts'

interface Check {
  readonly name: string
  /** @param sessions - an empty registry */
  readonly run: (sessions: SessionRegistry) => Promise<void>
}

/** Begins with a whole second. */
const begin = (sessions: SessionRegistry): Stage => createStage(sessions, Math.floor(Date.now() / 1000) * 1000)

/** Posts an assertion of that IssueInstant that nobody presented before; true: it opened a session. */
async function opens(stage: Stage, issuedAtMs: number, sessionIndex = 'index-1'): Promise<boolean> {
  const answer = await bringAnswer(stage, await beginSignIn(stage, '/'), { issuedAtMs, sessionIndex })
  const last = stage.events.at(-1)
  if (answer?.status !== 303) assert.deepEqual([answer?.status, last?.kind === 'refused' ? last.code : last?.kind], [400, 'CURFEW_SAML_SESSION_ENDED'])
  return answer?.status === 303
}

async function logout(stage: Stage, more: Partial<LogoutRequest> = {}): Promise<void> {
  const answer = await stage.provider.handle(request('POST', '/saml/slo/soap', { body: stage.soap(stage.logoutRequest(more)) }))
  assert.equal(answer?.status, 200)
}

const live = (stage: Stage, sessions: SessionRegistry): Promise<readonly boolean[]> =>
  Promise.all(stage.events.flatMap((event) => (event.kind === 'signed-in' ? [sessions.get(event.session.id, stage.nowMs).then(Boolean)] : [])))

/** What a LogoutRequest means for assertions and sessions from before it and from after it, whatever keeps the sessions. */
export const laterSignIns: readonly Check[] = [
  ...[['index-1'], []].map((sessionIndexes) => ({
    name: `signs in anew after a LogoutRequest ${sessionIndexes.length === 0 ? 'that names the user only' : 'for one session'}: an assertion from before it opens nothing, one of the same SessionIndex from after it does`,
    async run(sessions: SessionRegistry) {
      const stage = begin(sessions)
      assert.equal(await opens(stage, stage.nowMs), true)
      // Not the first millisecond of a second, as of a provider that says milliseconds.
      stage.nowMs += 60_250
      const askedAtMs = stage.nowMs
      await logout(stage, { sessionIndexes })
      assert.deepEqual(await live(stage, sessions), [false])
      assert.equal(await opens(stage, askedAtMs - 1), false)
      assert.equal(await opens(stage, askedAtMs), false)
      stage.nowMs += 1_000
      assert.equal(await opens(stage, askedAtMs + 1), true, 'the provider signed the user in anew')
      assert.equal(await opens(stage, askedAtMs - 1), false, 'and still nothing from before opens anything')
      assert.deepEqual(await live(stage, sessions), [false, true])
    }
  })),
  ...[['index-1'], []].map((sessionIndexes) => ({
    name: `lets nobody in after a LogoutRequest ${sessionIndexes.length === 0 ? 'that names the user only' : 'for one session'} by an assertion from before it of a machine whose clock is ahead`,
    async run(sessions: SessionRegistry) {
      const stage = begin(sessions)
      stage.nowMs += 250
      const [first, second, third] = [await beginSignIn(stage, '/1'), await beginSignIn(stage, '/2'), await beginSignIn(stage, '/3')]
      stage.nowMs += 1_000
      const loggedOutMs = stage.nowMs
      await logout(stage, { sessionIndexes })
      const brings = async (begun: Begun, afterMs: number) => (await bringAnswer(stage, begun, { issuedAtMs: loggedOutMs + afterMs }))?.status
      assert.equal(await brings(first, 1_000), 400)
      assert.equal(await brings(second, 5_000), 400)
      stage.nowMs += 1
      assert.equal(await brings(await beginSignIn(stage, '/'), 1), 303, 'what was asked for since is from after it')
      stage.nowMs += 6_000
      assert.equal(await brings(third, 5_001), 303, 'and so is what no clock explains')
    }
  })),
  {
    name: 'takes a LogoutRequest of whole seconds for one of the end of its second',
    async run(sessions) {
      const stage = begin(sessions)
      const secondMs = stage.nowMs
      await logout(stage)
      stage.nowMs += 2_000
      assert.equal(await opens(stage, secondMs + 999), false)
      assert.equal(await opens(stage, secondMs + 1_000), true)
    }
  },
  {
    name: 'keeps an assertion from before the LogoutRequest out for as long as it may be presented, however soon the request itself ends',
    async run(sessions) {
      const stage = begin(sessions)
      const issuedAtMs = stage.nowMs
      await logout(stage, { notOnOrAfter: Temporal.Instant.fromEpochMilliseconds(stage.nowMs + 1_000) })
      stage.nowMs += 4 * 60_000
      assert.equal(await opens(stage, issuedAtMs), false)
    }
  },
  {
    name: 'ends no session that began after a LogoutRequest that names the user only and comes late; one that names it ends it',
    async run(sessions) {
      const stage = begin(sessions)
      const late = stage.logoutRequest({ sessionIndexes: [] })
      stage.nowMs += 4_000
      assert.equal(await opens(stage, stage.nowMs), true)
      stage.nowMs += 4_000
      assert.equal(await opens(stage, stage.nowMs, 'index-2'), true)
      await logout(stage, late)
      assert.deepEqual(await live(stage, sessions), [false, true], 'the first began within what clocks of a provider may differ')
      await logout(stage, { ...late, id: '_logout2', sessionIndexes: ['index-2'] })
      assert.deepEqual(await live(stage, sessions), [false, false])
    }
  },
  {
    name: 'answers a LogoutRequest that comes again as the first time, and ends no session of the same SessionIndex that began since',
    async run(sessions) {
      const stage = begin(sessions)
      assert.equal(await opens(stage, stage.nowMs), true)
      stage.nowMs += 60_250
      const captured = stage.logoutRequest()
      await logout(stage, captured)
      stage.nowMs += 1_000
      assert.equal(await opens(stage, stage.nowMs), true)
      await logout(stage, captured)
      assert.deepEqual(await live(stage, sessions), [false, true])
      // The last moment of its validity.
      stage.nowMs = (captured.notOnOrAfter?.epochMilliseconds ?? 0) + 60_000 - 1
      await logout(stage, captured)
      assert.deepEqual(await live(stage, sessions), [false, true])
      await logout(stage, { id: '_logout2' })
      assert.deepEqual(await live(stage, sessions), [false, false], 'another request means the session of now')
    }
  },
  {
    name: 'ends the sessions of a LogoutRequest that comes again where the first could not be acted on',
    async run(sessions) {
      let isBroken = true
      const stage = begin({
        ...sessions,
        async endBySubject(...parts) {
          if (isBroken) throw new Error('the registry is away')
          return sessions.endBySubject(...parts)
        }
      })
      assert.equal(await opens(stage, stage.nowMs), true)
      const asked = stage.logoutRequest()
      await assert.rejects(logout(stage, asked), /the registry is away/)
      isBroken = false
      await logout(stage, asked)
      assert.deepEqual(await live(stage, sessions), [false])
    }
  }
]
