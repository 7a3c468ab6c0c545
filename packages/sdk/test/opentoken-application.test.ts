import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { agentConfigDefaults, openTokenKey, serialiseAgentConfig, verifyOpenToken, writeOpenToken } from '@curfew/codecs'
import {
  createMemorySessionRegistry,
  createOpenTokenAgent,
  createOpenTokenApplication,
  type GuardRequest,
  type GuardResponse,
  type OpenTokenApplication,
  type OpenTokenEvent
} from '../src/index.ts'

const password = 'shared secret'
const key = openTokenKey(2, password)
const startMs = Date.parse('2026-03-01T09:00:00Z')
const resume = '/sp/AAAAAAAAAAAAAAAAAAAAAA.BBBB/resume/sp/startSLO.ping'

interface Change {
  readonly fromMs?: number
  readonly key?: typeof key
  /** Names the session. */
  readonly index?: string
  /** How long it lives. */
  readonly seconds?: number
}

interface Stage {
  readonly app: OpenTokenApplication
  readonly events: OpenTokenEvent[]
  readonly cookies: Map<string, string>
  /** Keys of what the application remembered. */
  readonly remembered: string[]
  clockMs: number
  get(target: string): Promise<GuardResponse>
  post(target: string, fields: Readonly<Record<string, string>>, more?: Partial<GuardRequest>): Promise<GuardResponse>
  token(subject?: string, change?: Change): string
}

function createStage(useCookie = false): Stage {
  const events: OpenTokenEvent[] = []
  const cookies = new Map<string, string>()
  let count = 0
  const bytes = (n: number): Uint8Array => {
    count += 1
    return Buffer.alloc(n, count)
  }
  const remembered: string[] = []
  const sessions = createMemorySessionRegistry()
  const stage = { clockMs: startMs, events, cookies, remembered }
  const app = createOpenTokenApplication({
    adapterId: 'forms',
    agentConfig: serialiseAgentConfig({ ...agentConfigDefaults, password: Buffer.from(password), useCookie }),
    authorityUrl: 'https://login.example',
    baseUrl: 'https://forms.example',
    sessions: {
      ...sessions,
      async remember(key, ...more) {
        remembered.push(key)
        return sessions.remember(key, ...more)
      }
    },
    nowMs: () => stage.clockMs,
    randomBytes: bytes,
    onEvent: (event) => void events.push(event)
  })
  const ask = async (request: Partial<GuardRequest> & { readonly target: string }): Promise<GuardResponse> => {
    const cookie = cookies.size === 0 ? undefined : [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await app.handle({ method: 'GET', cookie, origin: undefined, fetchSite: undefined, readBody: async () => new Uint8Array(), ...request })
    assert.ok(answer !== undefined)
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    return answer
  }
  return Object.assign(stage, {
    app,
    get: (target: string) => ask({ target }),
    post: (target: string, fields: Readonly<Record<string, string>>, more: Partial<GuardRequest> = {}) =>
      ask({ target, method: 'POST', readBody: async () => Buffer.from(new URLSearchParams(fields).toString()), ...more }),
    token: (subject = 'ana', change: Change = {}) => {
      const from = Temporal.Instant.fromEpochMilliseconds(change.fromMs ?? stage.clockMs)
      const index = change.index === undefined ? {} : { 'session-index': [change.index] }
      const statement = {
        subject,
        attributes: { mail: ['ana@example.org'], ...index },
        notBefore: from,
        notOnOrAfter: from.add({ seconds: change.seconds ?? 300 })
      }
      return writeOpenToken(statement, change.key ?? key, bytes(16))
    }
  })
}

/** Begins a sign-in; the address that the authority sends the browser back to. */
async function begun(stage: Stage, to = '/deep'): Promise<string> {
  const start = new URL(String((await stage.get(stage.app.loginPath(to))).headers['location']))
  assert.equal(start.origin + start.pathname, 'https://login.example/sp/startSSO.ping')
  assert.equal(start.searchParams.get('SpSessionAuthnAdapterId'), 'forms')
  const target = new URL(start.searchParams.get('TargetResource') ?? '')
  assert.equal(target.origin, 'https://forms.example')
  return target.pathname + target.search
}

async function signedIn(stage: Stage): Promise<void> {
  await stage.get(`${await begun(stage)}&opentoken=${stage.token()}`)
}

function who(stage: Stage) {
  return stage.app.session([...stage.cookies].map(([name, value]) => `${name}=${value}`).join('; '))
}

suite('An application by OpenToken: sign-in', () => {
  test('a token of the sign-in that this browser began opens a session and lands where it was meant to', async () => {
    const stage = createStage()
    const answer = await stage.get(`${await begun(stage)}&opentoken=${stage.token()}`)
    assert.equal(answer.headers['location'], '/deep')
    const session = await who(stage)
    assert.deepEqual([session?.nameId.value, session?.attributes['mail']], ['ana', ['ana@example.org']])
  })

  test('a posted token arrives without cookies and is taken by the browser that asked; a cookie is deleted after use', async () => {
    const stage = createStage()
    const target = await begun(stage)
    const parked = await stage.post(target, { opentoken: stage.token() }, { cookie: undefined })
    await stage.get(String(parked.headers['location']))
    assert.equal((await who(stage))?.nameId.value, 'ana')
    const other = createStage(true)
    const path = await begun(other)
    other.cookies.set('opentoken', other.token())
    await other.get(path)
    assert.equal((await who(other))?.nameId.value, 'ana')
    assert.equal(other.cookies.get('opentoken'), undefined)
  })

  test('a token that nobody asked for here starts a sign-in and opens nothing', async () => {
    const stage = createStage()
    const [path] = stage.app.paths.open.split('?')
    for (const query of ['', '&state=made-up']) {
      const answer = await stage.get(`${path}?opentoken=${stage.token('mallory')}${query}`)
      assert.match(String(answer.headers['location']), /^https:\/\/login\.example\/sp\/startSSO\.ping/)
      assert.equal(await who(stage), undefined)
    }
    const victim = createStage()
    const stolen = await begun(stage)
    await victim.get(`${stolen}&opentoken=${victim.token('mallory')}`)
    assert.equal(await who(victim), undefined)
  })

  test('a browser that keeps no cookies starts anew three times, by posted tokens too, and is told then', async () => {
    for (const isPosted of [false, true]) {
      const stage = createStage()
      const follow = async (path: string): Promise<GuardResponse> => {
        stage.cookies.clear()
        if (!isPosted) return stage.get(`${path}&opentoken=${stage.token()}`)
        return stage.get(String((await stage.post(path, { opentoken: stage.token() })).headers['location']))
      }
      let path = await begun(stage)
      for (let restarts = 0; restarts < 3; restarts++) {
        const start = new URL(String((await follow(path)).headers['location']))
        assert.equal(start.origin + start.pathname, 'https://login.example/sp/startSSO.ping')
        const target = new URL(start.searchParams.get('TargetResource') ?? '')
        path = target.pathname + target.search
      }
      assert.equal((await follow(path)).status, 400)
      assert.deepEqual(stage.events, [{ kind: 'refused', code: 'CURFEW_OPENTOKEN_BROWSER_OTHER', path: '/opentoken/open' }])
      assert.equal((await stage.get(`${await begun(stage)}&opentoken=${stage.token()}`)).headers['location'], '/deep', 'with cookies it signs in')
    }
  })

  test('a token that was used, is forged, too old or not valid yet is refused', async () => {
    const stage = createStage()
    const token = stage.token()
    await stage.get(`${await begun(stage)}&opentoken=${token}`)
    const wrong = [
      token,
      stage.token('ana', { key: openTokenKey(2, 'another') }),
      stage.token('ana', { fromMs: startMs - 300_000 }),
      stage.token('ana', { fromMs: startMs + 6_000 }),
      'x'
    ]
    for (const text of wrong) assert.equal((await stage.get(`${await begun(stage)}&opentoken=${text}`)).status, 400)
    assert.deepEqual(
      stage.events.map(({ kind }) => kind),
      ['signed-in', ...wrong.map(() => 'refused')]
    )
  })
})

suite('An application by OpenToken: logout', () => {
  for (const name of ['resumePath', 'resume']) {
    test(`the Logout Service ends the session and sends the browser back by ${name}, with an answer`, async () => {
      const stage = createStage()
      await signedIn(stage)
      const back = await stage.get(`${stage.app.paths.logoutService}?opentoken=${stage.token()}&${name}=${encodeURIComponent(resume)}`)
      const url = new URL(String(back.headers['location']))
      assert.equal(url.origin + url.pathname, `https://login.example${resume}`)
      const answer = verifyOpenToken(url.searchParams.get('opentoken') ?? '', { keys: [key], now: Temporal.Instant.fromEpochMilliseconds(startMs) })
      assert.deepEqual([answer.subject, answer.attributes], ['ana', { resume: [resume], logout: ['ended'] }])
      assert.equal(await who(stage), undefined)
      assert.equal(stage.events.at(-1)?.kind, 'signed-out')
    })
  }

  test('a token that is not right ends nothing, and the browser goes back with an error', async () => {
    const stage = createStage()
    await signedIn(stage)
    for (const token of [stage.token('ana', { key: openTokenKey(2, 'another') }), '', stage.token('ana', { fromMs: startMs - 300_000 })]) {
      const back = await stage.get(`${stage.app.paths.logoutService}?opentoken=${token}&resumePath=${encodeURIComponent(resume)}`)
      const url = new URL(String(back.headers['location']))
      assert.match(url.searchParams.get('error') ?? '', /^CURFEW_OPENTOKEN_/)
      assert.equal(url.searchParams.get('opentoken'), null)
    }
    assert.equal((await who(stage))?.nameId.value, 'ana')
  })

  test('a resume path that leads elsewhere is not followed', async () => {
    const stage = createStage()
    await signedIn(stage)
    for (const path of [
      'https://evil.example/',
      '//evil.example/sp/x/resume/y',
      '/\\evil.example',
      '',
      '/sp/../evil',
      '/elsewhere',
      '/sp/AAAAAAAAAAAA/resume/x?y=z',
      '/sp/AAAAAAAAAAAA/resume/../../../x#y'
    ])
      assert.equal((await stage.get(`${stage.app.paths.logoutService}?opentoken=${stage.token()}&resumePath=${encodeURIComponent(path)}`)).status, 400, path)
    assert.equal((await who(stage))?.nameId.value, 'ana')
  })

  test('a posted visit shows its cookies one redirect later; a browser that lost its cookie ends every session of the user', async () => {
    const stage = createStage()
    await signedIn(stage)
    const fields = { opentoken: stage.token() }
    const again = await stage.post(`${stage.app.paths.logoutService}?resumePath=${encodeURIComponent(resume)}`, fields, { cookie: undefined })
    const kept = new Map(stage.cookies)
    await stage.get(String(again.headers['location']))
    assert.equal(await stage.app.session([...kept].map(([name, value]) => `${name}=${value}`).join('; ')), undefined)
    const other = createStage()
    await signedIn(other)
    const mine = new Map(other.cookies)
    other.cookies.clear()
    await other.get(`${other.app.paths.logoutService}?opentoken=${other.token()}&resumePath=${encodeURIComponent(resume)}`)
    assert.equal(await other.app.session([...mine].map(([name, value]) => `${name}=${value}`).join('; ')), undefined)
  })

  test('where the token names the session, that one ends without its cookie, others go on, and a late token of it opens nothing', async () => {
    const stage = createStage()
    const enter = async (index: string): Promise<string> => {
      stage.cookies.clear()
      await stage.get(`${await begun(stage)}&opentoken=${stage.token('ana', { index })}`)
      return [...stage.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    }
    const [first, second] = [await enter('one'), await enter('two')]
    const late = await begun(stage)
    const lateToken = stage.token('ana', { index: 'one' })
    const kept = new Map(stage.cookies)
    stage.clockMs += 1_000
    stage.cookies.clear()
    const visit = stage.token('ana', { index: 'one' })
    await stage.get(`${stage.app.paths.logoutService}?opentoken=${visit}&resumePath=${encodeURIComponent(resume)}`)
    assert.equal(await stage.app.session(first), undefined)
    assert.equal((await stage.app.session(second))?.nameId.value, 'ana')
    for (const [name, value] of kept) stage.cookies.set(name, value)
    assert.equal((await stage.get(`${late}&opentoken=${lateToken}`)).status, 400)
    assert.equal(stage.events.at(-1)?.kind, 'refused')
  })

  suite('the token of a visit', () => {
    const visitOf = (stage: Stage, token: string) => `${stage.app.paths.logoutService}?opentoken=${token}&resumePath=${encodeURIComponent(resume)}`
    const answerOf = (back: GuardResponse, nowMs = startMs): readonly string[] | undefined => {
      const token = new URL(String(back.headers['location'])).searchParams.get('opentoken')
      return token === null ? undefined : verifyOpenToken(token, { keys: [key], now: Temporal.Instant.fromEpochMilliseconds(nowMs) }).attributes['logout']
    }

    for (const [name, change] of [
      ['that names no session', {}],
      ['that names its session', { index: 'one' }]
    ] as const) {
      test(`${name} opens no session at the same browser, however long it lives`, async () => {
        const stage = createStage()
        await stage.get(`${await begun(stage)}&opentoken=${stage.token('ana', change)}`)
        const token = stage.token('ana', { ...change, seconds: 7_200 })
        assert.deepEqual(answerOf(await stage.get(visitOf(stage, token))), ['ended'])
        for (const laterMs of [0, 3_600_000]) {
          stage.clockMs = startMs + laterMs
          assert.equal((await stage.get(`${await begun(stage)}&opentoken=${token}`)).status, 400)
          assert.equal(await who(stage), undefined)
        }
      })
    }

    test('opens no session either when its browser held the session of somebody else, nor after it was posted', async () => {
      const stage = createStage()
      await stage.get(`${await begun(stage)}&opentoken=${stage.token('ben')}`)
      const token = stage.token()
      await stage.get(visitOf(stage, token))
      assert.equal((await stage.get(`${await begun(stage)}&opentoken=${token}`)).status, 400)
      const posted = stage.token()
      const parked = await stage.post(`${stage.app.paths.logoutService}?resumePath=${encodeURIComponent(resume)}`, { opentoken: posted }, { cookie: undefined })
      await stage.get(String(parked.headers['location']))
      assert.equal((await stage.get(`${await begun(stage)}&opentoken=${posted}`)).status, 400)
    })

    test('leaves nothing behind for a sign-in that was written before it and was never used', async () => {
      const stage = createStage()
      await signedIn(stage)
      const unused = stage.token()
      stage.clockMs += 2_000
      await stage.get(visitOf(stage, stage.token()))
      assert.equal((await stage.get(`${await begun(stage)}&opentoken=${unused}`)).status, 400)
      stage.clockMs += 2_000
      await signedIn(stage)
      assert.equal((await who(stage))?.nameId.value, 'ana', 'a sign-in after the logout')
    })

    test('is answered the same when it comes again, and ends nothing that began after it', async () => {
      const stage = createStage()
      await signedIn(stage)
      const token = stage.token()
      await stage.get(visitOf(stage, token))
      stage.clockMs += 30_000
      await signedIn(stage)
      assert.deepEqual(answerOf(await stage.get(visitOf(stage, token)), stage.clockMs), ['ended'])
      assert.equal((await who(stage))?.nameId.value, 'ana')
      assert.equal(stage.events.filter(({ kind }) => kind === 'signed-out').length, 1)
    })

    test('that is late ends no session that began after it was written', async () => {
      const stage = createStage()
      const late = stage.token()
      stage.clockMs += 30_000
      await signedIn(stage)
      assert.deepEqual(answerOf(await stage.get(visitOf(stage, late)), stage.clockMs), ['ended'])
      assert.equal((await who(stage))?.nameId.value, 'ana')
    })

    test('that opened a session here ends none', async () => {
      const stage = createStage()
      const token = stage.token()
      await stage.get(`${await begun(stage)}&opentoken=${token}`)
      const back = await stage.get(visitOf(stage, token))
      assert.equal(new URL(String(back.headers['location'])).searchParams.get('error'), 'CURFEW_OPENTOKEN_INVALID')
      assert.equal((await who(stage))?.nameId.value, 'ana')
    })

    test('in a browser that holds the session of somebody else: that one goes on, and the answer does not say ended', async () => {
      const stage = createStage()
      await stage.get(`${await begun(stage)}&opentoken=${stage.token('ben')}`)
      assert.deepEqual(answerOf(await stage.get(visitOf(stage, stage.token()))), ['failed'])
      assert.equal((await who(stage))?.nameId.value, 'ben')
      assert.deepEqual(
        stage.events.map((event) => (event.kind === 'refused' ? event.code : event.kind)),
        ['signed-in', 'CURFEW_OPENTOKEN_SESSION_FOREIGN']
      )
    })

    test('with a cookie of no session: every session of the user from before ends, so that the answer is true whatever cookie was planted', async () => {
      const stage = createStage()
      await signedIn(stage)
      const mine = [...stage.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      stage.cookies.set('app_session', 'planted')
      assert.deepEqual(answerOf(await stage.get(visitOf(stage, stage.token()))), ['ended'])
      assert.equal(await stage.app.session(mine), undefined)
      assert.equal(stage.cookies.has('app_session'), false)
    })

    test('that is forged is not kept for the second step of a posted visit or sign-in', async () => {
      const stage = createStage()
      const forged = stage.token('ana', { key: openTokenKey(2, 'another') })
      const target = await begun(stage)
      const remembered = stage.remembered.length
      assert.equal((await stage.post(target, { opentoken: forged }, { cookie: undefined })).status, 400)
      const back = await stage.post(`${stage.app.paths.logoutService}?resumePath=${encodeURIComponent(resume)}`, { opentoken: forged }, { cookie: undefined })
      assert.match(String(back.headers['location']), /error=CURFEW_OPENTOKEN_INVALID/)
      assert.equal(stage.remembered.length, remembered)
    })
  })

  test('a look without any parameter is no visit: it is answered and leaves no trace', async () => {
    const stage = createStage()
    assert.equal((await stage.get(stage.app.paths.logoutService)).status, 400)
    assert.deepEqual(stage.events, [])
  })

  test('a sign-out everywhere starts from a form of the application only', async () => {
    const stage = createStage()
    await signedIn(stage)
    const { logout } = stage.app.paths
    assert.equal((await stage.post(logout, {}, { origin: 'https://evil.example' })).status, 400)
    assert.equal((await who(stage))?.nameId.value, 'ana')
    const answer = await stage.post(logout, {}, { origin: 'https://forms.example' })
    assert.equal(answer.headers['location'], 'https://login.example/sp/startSLO.ping?SpSessionAuthnAdapterId=forms')
    assert.equal(await who(stage), undefined)
  })
})

suite('OpenToken agent', () => {
  test('reads what it wrote, and nothing of another password', () => {
    const agentConfig = (secret: string): string => serialiseAgentConfig({ ...agentConfigDefaults, password: Buffer.from(secret), tokenSeconds: 60 })
    const make = (secret: string) => createOpenTokenAgent({ agentConfig: agentConfig(secret), nowMs: () => startMs, randomBytes: (n) => Buffer.alloc(n, 5) })
    const token = make(password).write({ subject: 'ana', attributes: { group: ['a', 'b'] } })
    const read = make(password).read(token)
    assert.deepEqual([read.subject, read.attributes, read.notOnOrAfter.toString()], ['ana', { group: ['a', 'b'] }, '2026-03-01T09:01:00Z'])
    assert.throws(() => make('another').read(token))
  })
})
