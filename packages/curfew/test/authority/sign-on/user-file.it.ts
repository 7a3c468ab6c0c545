import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { editUserFile, withoutName } from '../../../src/authority/sign-on/user-file.ts'
import { localDirectory, openUserFile, parseUserFile, parseUsers } from '../../../src/authority/sign-on/users.ts'
import { hashPassword, verifyPassword } from '../../../src/platform/password.ts'
import { systemRandom } from '../../../src/platform/random.ts'

const passwords = {
  verify: verifyPassword,
  hash: (password: string) => hashPassword(password, systemRandom),
  decoyHash: await hashPassword('nobody', systemRandom)
}

async function inFolder(body: (file: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-users-'))
  try {
    await body(join(folder, 'users.yaml'), folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const entry = (username: string) => ({ username, password: '$argon2id$none' })

suite('the users file, written', () => {
  test('loses no change of many writers at once, and leaves nothing behind', () =>
    inFolder(async (file, folder) => {
      await Promise.all(Array.from({ length: 20 }, (_, i) => editUserFile(file, (users) => [...users, entry(`user-${i}`)])))
      assert.equal(parseUsers(await readFile(file, 'utf8'), file).size, 20)
      assert.deepEqual(await readdir(folder), ['users.yaml'])
      assert.equal((await stat(file)).mode & 0o777, 0o600)
    }))

  test('is whole for readers at every moment', () =>
    inFolder(async (file) => {
      await editUserFile(file, () => Array.from({ length: 200 }, (_, i) => entry(`user-${i}`)))
      let isDone = false
      const writing = (async () => {
        for (let i = 0; i < 20; i++) await editUserFile(file, (users) => users.map((user) => ({ ...user, disabled: i % 2 === 0 })))
        isDone = true
      })()
      while (!isDone) assert.equal(parseUsers(await readFile(file, 'utf8'), file).size, 200)
      await writing
    }))

  test('says so when it can not be written, and stays as it was', () =>
    inFolder(async (file, folder) => {
      await editUserFile(file, () => [entry('ana')])
      const before = await readFile(file, 'utf8')
      const change = editUserFile(join(folder, 'missing', 'users.yaml'), (users) => users)
      await assert.rejects(change, { code: 'CURFEW_USERS_UNWRITABLE' })
      await assert.rejects(
        editUserFile(file, () => {
          throw new Error('no')
        }),
        { code: 'CURFEW_USERS_UNWRITABLE' }
      )
      assert.equal(await readFile(file, 'utf8'), before)
      assert.deepEqual(await readdir(folder), ['users.yaml'])
    }))

  test('is read again right after a new password, which counts at once and clears the demand for one', () =>
    inFolder(async (file) => {
      await editUserFile(file, () => [{ ...entry('Ana'), mustChangePassword: true }])
      const { mtime } = await stat(file)
      const directory = localDirectory(await openUserFile(file, () => assert.fail('it can be read')), passwords)
      const user = (await directory.find('ana')) ?? assert.fail()
      assert.equal(user.mustChangePassword, true)
      await directory.setPassword(user, { password: 'seven wet umbrellas', atMs: 1_767_225_600_000, endsSessions: true })
      // Even a file of the same age and size is another one.
      await utimes(file, mtime, mtime)
      const changed = (await directory.find('ANA')) ?? assert.fail()
      assert.deepEqual(
        [changed.mustChangePassword, changed.passwordChangedAtMs, changed.sessionsValidFromMs],
        [undefined, 1_767_225_600_000, 1_767_225_600_000]
      )
      assert.equal(await directory.verify(changed, 'seven wet umbrellas'), true)
      assert.equal(await directory.verify(changed, 'another'), false)
      await directory.setPassword(changed, { password: 'seven dry umbrellas', atMs: 1_767_225_700_000, endsSessions: false })
      const [kept] = await directory.changed()
      assert.deepEqual([kept?.passwordChangedAtMs, kept?.sessionsValidFromMs], [1_767_225_700_000, 1_767_225_600_000])
    }))

  test('keeps the people known before when somebody breaks it', () =>
    inFolder(async (file) => {
      await editUserFile(file, () => [entry('ana')])
      const problems: unknown[] = []
      const users = await openUserFile(file, (error) => problems.push(error))
      await writeFile(file, 'users: [')
      await chmod(file, 0o600)
      assert.equal((await users.find('ana'))?.username, 'ana')
      assert.ok(problems.length > 0)
    }))

  test('says whose sessions go on, by one set while it stays as it is, and never by a file that is broken or empty', () =>
    inFolder(async (file) => {
      await editUserFile(
        file,
        () => [entry('Ana'), { ...entry('ben'), disabled: true }, { ...entry('cleo'), disabled: true }],
        () => ['Ben', 'gone']
      )
      const problems: unknown[] = []
      const users = await openUserFile(file, (error) => problems.push(error))
      const before = await users.mayStay()
      assert.deepEqual([...(before ?? [])], ['ana', 'ben', 'gone'])
      assert.equal(await users.mayStay(), before)
      for (const text of ['users: [', '', '# nobody\n']) {
        await writeFile(file, text)
        assert.equal(await users.mayStay(), before, text)
        assert.equal((await users.find('ana'))?.username, 'Ana', text)
      }
      assert.deepEqual([...new Set(problems.map((error) => (error as { code?: string }).code))], ['CURFEW_CONFIG_USERS'])
      await writeFile(file, 'users: []\n')
      assert.deepEqual([...((await users.mayStay()) ?? ['unknown'])], [])
      await rm(file)
      assert.deepEqual([...((await users.mayStay()) ?? ['unknown'])], [])
      await writeFile(file, '')
      assert.equal(await (await openUserFile(file, () => undefined)).mayStay(), undefined)
    }))

  test('keeps what it says of sessions over every change of people', () =>
    inFolder(async (file) => {
      await editUserFile(
        file,
        () => [entry('ana')],
        () => ['ben']
      )
      await editUserFile(file, (users) => [...users, entry('cleo')])
      assert.deepEqual([...(parseUserFile(await readFile(file, 'utf8'), file).mayStay ?? [])], ['ana', 'cleo', 'ben'])
      await editUserFile(
        file,
        (users) => users,
        (names) => withoutName(names, 'BEN')
      )
      assert.doesNotMatch(await readFile(file, 'utf8'), /keepSessionsOf/)
    }))
})
