import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { stringify } from 'yaml'
import type { RunView, SessionView } from '../../src/admin/schemas.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { hashPassword } from '../../src/platform/password.ts'
import { openDatabase, prepare } from '../../src/stores/sqlite/driver.ts'
import { openOn } from '../stores/redis/opened.ts'
import { skipReason, startServer } from '../stores/redis/servers.ts'
import { mountFailingDisk, mountSmallDisk, noMounts } from '../support/disks.ts'
import { type Answer, createPerson, type OpenIdClient, type Person } from '../support/person.ts'
import { curfew, lineOf, startCurfew, stopped } from './bin.ts'
import { type RunningCurfew, startInstallation } from './running.ts'

const password = 'correct horse'
/** So many that nobody has more sessions than one person may have. */
const usernames = Array.from({ length: 64 }, (_, i) => `person${i}`)
const nameOf = (turn: number): string => usernames[turn % usernames.length] ?? ''

/** An application that keeps a record of its own: which of its sessions it was asked to end. */
interface Application extends AsyncDisposable {
  readonly client: OpenIdClient
  readonly url: string
  readonly told: ReadonlySet<string>
  /** Answers nobody until it is let go. */
  hold(): { release(): void }
}

async function startApplication(): Promise<Application> {
  const told = new Set<string>()
  let free = Promise.resolve()
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.once('end', () => {
      told.add(String(decodeJwt(new URLSearchParams(body).get('logout_token') ?? '')['sid']))
      void free.then(() => response.writeHead(200, { 'cache-control': 'no-store' }).end())
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    client: { id: 'wiki', secret: 'a secret that is long enough', redirectUri: `${url}/cb` },
    url,
    told,
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      free = promise
      return { release: resolve }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}

/** `curfew start` with its database in that folder. */
function startOn(folder: string, application: Application): Promise<RunningCurfew> {
  return startWith({ kind: 'sqlite', file: join(folder, 'curfew.db') }, application)
}

function startWith(store: object, { client, url }: Application): Promise<RunningCurfew> {
  return startInstallation({
    config: () => ({
      store,
      connections: [
        {
          id: client.id,
          protocol: 'oidc',
          clientSecret: client.secret,
          redirectUris: [client.redirectUri],
          requirePkce: false,
          logout: { modes: ['backChannel'], backChannelUri: `${url}/back-channel` }
        }
      ]
    }),
    async prepare(installation) {
      const hash = await hashPassword(password, systemRandom)
      const users = usernames.map((username) => ({ username, password: hash, attributes: {} }))
      writeFileSync(join(installation, 'users.yaml'), stringify({ users }))
    }
  })
}

interface Visit {
  readonly person: Person
  /** What the application calls the session. */
  readonly sid: string
}

async function visit(baseUrl: string, client: OpenIdClient, turn: number): Promise<Visit> {
  const person = createPerson(baseUrl)
  const answer = await person.signIn(nameOf(turn), password)
  assert.equal(answer.status, 303, answer.body)
  return { person, sid: await person.join(client) }
}

/** Goes to the sign-off page until somebody is refused, or nobody is left; who is refused goes on as before. */
async function signOutAll(
  visits: readonly Visit[]
): Promise<{ readonly out: readonly Visit[]; readonly in: readonly Visit[]; readonly answer: Answer | undefined }> {
  for (const [i, { person }] of visits.entries()) {
    const answer = await person.signOut()
    if (answer.status !== 303) return { out: visits.slice(0, i), in: visits.slice(i), answer }
    assert.match(answer.location, /\/signoff\/run_/)
    assert.equal(await person.isSignedIn(), false)
    // What there is no room for now is the next step: nobody is told that it was the sign-out.
    const next = await person.get(`${answer.location}/go`)
    if (next.status !== 303) assert.match(next.body, /Your sign-out is written down and holds/)
  }
  return { out: visits, in: [], answer: undefined }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1_200 && !(await holds()); i++) await pause(100)
  assert.ok(await holds())
}

/** Each that was signed out has one run, which is over and told the application; nobody else has one. */
async function assertEnded(server: RunningCurfew, { told }: Application, out: readonly Visit[]): Promise<void> {
  const runs = (): Promise<readonly RunView[]> => server.json<RunView[]>(['runs', 'list'])
  await until(async () => (await runs()).every(({ state }) => state === 'done'))
  assert.deepEqual([...new Set((await runs()).map(({ verdict }) => verdict))], ['all-ended'])
  assert.equal((await runs()).length, out.length)
  assert.deepEqual([...told].toSorted(), out.map(({ sid }) => sid).toSorted())
}

function assertSound(folder: string): void {
  const db = openDatabase(join(folder, 'curfew.db'), { timeout: 0 })
  try {
    assert.deepEqual(
      prepare<{ integrity_check: string }>(db, 'PRAGMA integrity_check')
        .all()
        .map((row) => row.integrity_check),
      ['ok']
    )
  } finally {
    db.close()
  }
}

const liveSessions = async (server: RunningCurfew): Promise<number> => (await server.json<SessionView[]>(['sessions', 'list'])).length

suite('a real server whose disk breaks', { skip: noMounts, timeout: 900_000 }, () => {
  test('a full disk refuses sign-ins and says why, signs people out, says so where it can not, and all is well when there is room', async () => {
    using disk = mountSmallDisk(64)
    await using application = await startApplication()
    await using server = await startOn(disk.folder, application)
    const visits: Visit[] = []
    for (let i = 0; i < 80; i++) visits.push(await visit(server.baseUrl, application.client, i))
    disk.fill()
    // What the files have of room is used up by people who come; some of them still get in.
    const late: Visit[] = []
    let refused: Answer | undefined
    for (let i = 0; i < 3_000 && refused === undefined; i++) {
      const person = createPerson(server.baseUrl)
      const answer = await person.signIn(nameOf(i), password)
      if (answer.status === 303) late.push({ person, sid: '' })
      else refused = answer
    }
    assert.equal(refused?.status, 503)
    assert.match(refused?.body ?? '', /CURFEW_STORE_DISK_FULL/)
    assert.match(refused?.body ?? '', /No room is left to write this down/)
    assert.equal(await liveSessions(server), visits.length + late.length)

    const [some, others] = [visits.slice(0, 20), visits.slice(20)]
    const first = await signOutAll(some)
    assert.equal(first.answer, undefined)
    await assertEnded(server, application, some)

    // The room that was kept for endings is taken by somebody else, too.
    disk.fill()
    const second = await signOutAll(others)
    assert.equal(second.answer?.status, 503, 'somebody can not be signed out')
    assert.match(second.answer?.body ?? '', /CURFEW_STORE_DISK_FULL/)
    assert.match(second.answer?.body ?? '', /No room is left to write this down[^<]* not signed out/)
    for (const { person, sid } of second.in) {
      assert.equal(await person.isSignedIn(), true)
      assert.equal(application.told.has(sid), false)
    }

    disk.clear()
    visits.push(await visit(server.baseUrl, application.client, 0))
    const third = await signOutAll([...second.in, ...visits.slice(-1)])
    assert.equal(third.answer, undefined)
    await assertEnded(server, application, visits)
    assert.equal(await liveSessions(server), late.length)
    assert.equal(await stopped(server.child), 0)
    assertSound(disk.folder)
  })

  test('a disk that can only be read keeps everybody as they are and says so, and nothing is lost when it is mounted again', async () => {
    using disk = mountFailingDisk(96)
    await using application = await startApplication()
    await using server = await startOn(disk.folder, application)
    const visits: Visit[] = []
    for (let i = 0; i < 12; i++) visits.push(await visit(server.baseUrl, application.client, i))
    const some = visits.slice(0, 4)
    assert.equal((await signOutAll(some)).answer, undefined)
    await assertEnded(server, application, some)

    disk.fail()
    const others = visits.slice(4)
    for (const { person } of others) {
      const answer = await person.signOut()
      assert.equal(answer.status, 503)
      assert.match(answer.body, /CURFEW_STORE_READ_ONLY/)
      assert.match(answer.body, /can not be written down[^<]* not signed out/)
      assert.equal(await person.isSignedIn(), true)
    }
    const refused = await createPerson(server.baseUrl).signIn(nameOf(40), password)
    assert.equal(refused.status, 503)
    assert.match(refused.body, /CURFEW_STORE_READ_ONLY/)
    const asked = await server.run(['logout', '--user', nameOf(5)])
    assert.equal(asked.code, 1)
    assert.match(asked.err, /CURFEW_STORE_READ_ONLY[^]*EROFS/)
    assert.deepEqual([...application.told].toSorted(), some.map(({ sid }) => sid).toSorted())

    assert.equal(await stopped(server.child), 0)
    const started = await curfew(server.folder, ['start'])
    assert.equal(started.code, 78)
    assert.match(started.err, /CURFEW_STORE_READ_ONLY[^]*EROFS/)

    disk.repair()
    const child = startCurfew(server.folder, ['start'])
    try {
      await lineOf(child, /server\.ready/)
      child.stderr?.resume()
      assert.equal(await liveSessions(server), others.length)
      assert.equal((await signOutAll(others)).answer, undefined)
      await assertEnded(server, application, visits)
    } finally {
      await stopped(child)
    }
    assertSound(disk.folder)
  })
})

suite('a real server on a Redis whose disk is full', { skip: noMounts === false ? skipReason : noMounts, timeout: 900_000 }, () => {
  test('refuses sign-ins and says why, keeps whole who can not be signed out and says so, and all is well when there is room', async () => {
    using disk = mountSmallDisk(64)
    await using application = await startApplication()
    const redis = await startServer(['--dir', disk.folder])
    try {
      await using server = await startWith({ kind: 'redis', redis: { copies: 0, nodes: [`redis://127.0.0.1:${redis.port}`] } }, application)
      const visits: Visit[] = []
      for (let i = 0; i < 24; i++) visits.push(await visit(server.baseUrl, application.client, i))
      const out: Visit[] = []
      // Each time the room ends somewhere else in what one sign-out writes.
      for (let round = 0; round < 8; round++) {
        const late = round === 7 ? await signOutUnanswered(server, application) : undefined
        disk.fill()
        const { out: gone, in: left, answer } = await signOutAll(visits.slice(round * 3, round * 3 + 3))
        out.push(...gone)
        if (answer !== undefined) await assertKept(application, left, answer)
        if (round === 7) {
          await assertRefused(server)
          await assert.rejects(openOn([redis]), { code: 'CURFEW_STORE_DISK_FULL' })
        }
        if (late !== undefined) {
          await assertCounts(late)
          visits.push(late.visit)
          out.push(late.visit)
        }
        disk.clear()
        await until(async () => String(await redis.command('INFO', 'persistence')).includes('aof_last_write_status:ok'))
        await visit(server.baseUrl, application.client, 40 + round)
        out.push(...left)
        assert.equal((await signOutAll(left)).answer, undefined)
      }
      assert.equal(out.length, visits.length)
      await assertEnded(server, application, out)
      assert.equal(await liveSessions(server), 8)
      assert.equal(await stopped(server.child), 0)
    } finally {
      await redis.stop()
    }
  })
})

/** Nobody of those who were not signed out is half out: each is signed in, has no run, and no application was told. */
async function assertKept({ told }: Application, left: readonly Visit[], answer: Answer): Promise<void> {
  assert.equal(answer.status, 503)
  assert.match(answer.body, /CURFEW_STORE_DISK_FULL/)
  assert.match(answer.body, /No room is left to write this down[^<]* not signed out/)
  for (const { person, sid } of left) {
    assert.equal(await person.isSignedIn(), true)
    assert.equal(told.has(sid), false)
  }
}

interface Unanswered {
  readonly visit: Visit
  /** Page of the run. */
  readonly path: string
  release(): void
}

/** Somebody who is signed out, and whose application has not answered yet: the next step of that is still to be written. */
async function signOutUnanswered(server: RunningCurfew, application: Application): Promise<Unanswered> {
  const one = await visit(server.baseUrl, application.client, 30)
  const { release } = application.hold()
  const answer = await one.person.signOut()
  assert.equal(answer.status, 303, answer.body)
  return { visit: one, path: answer.location, release }
}

/** The sign-out was before there was no room: whoever goes on with it reads that it counts. */
async function assertCounts({ visit: { person }, path, release }: Unanswered): Promise<void> {
  // That the browser is there is written down once in a second.
  await pause(1_000)
  const next = await person.get(`${path}/go`)
  assert.equal(next.status, 503, next.location)
  assert.match(next.body, /CURFEW_STORE_DISK_FULL/)
  assert.match(next.body, /Your sign-out is written down and holds/)
  assert.doesNotMatch(next.body, /not signed out/)
  assert.equal(await person.isSignedIn(), false)
  release()
}

async function assertRefused(server: RunningCurfew): Promise<void> {
  let refused: Answer | undefined
  for (let i = 0; i < 100 && refused === undefined; i++) {
    const answer = await createPerson(server.baseUrl).signIn(nameOf(63), password)
    if (answer.status !== 303) refused = answer
  }
  assert.equal(refused?.status, 503)
  assert.match(refused?.body ?? '', /CURFEW_STORE_DISK_FULL/)
}
