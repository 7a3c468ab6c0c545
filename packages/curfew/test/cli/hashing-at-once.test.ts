import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { openUsers } from '../../src/cli/users-setup.ts'
import { configSchema } from '../../src/config/schema.ts'
import { silentLogger } from '../../src/platform/logger.ts'

/** How many hashes were under way at once at the most: each is a request of the runtime, from its beginning to its answer. */
async function mostAtOnce(work: () => Promise<unknown>): Promise<number> {
  const open = new Set<number>()
  let most = 0
  const hook = createHook({
    init(id, type) {
      if (type !== 'ARGON2REQUEST') return
      open.add(id)
      most = Math.max(most, open.size)
    },
    before: (id) => void open.delete(id)
  }).enable()
  try {
    await work()
  } finally {
    hook.disable()
  }
  return most
}

suite('passwords that are checked at once', () => {
  test('are hashed three at a time at the most, whoever they are of, and all get an answer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'curfew-users-'))
    try {
      const file = join(folder, 'users.yaml')
      await writeFile(file, 'users: []\n')
      const config = configSchema.parse({
        server: { baseUrl: 'https://login.example.org' },
        saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem' }] },
        sessions: { secretFile: 'secret' },
        signOn: { users: file }
      })
      using users = await openUsers(config, silentLogger)
      const answers: unknown[] = []
      const most = await mostAtOnce(() => Promise.all(Array.from({ length: 12 }, async () => answers.push(await users.directory.verify(undefined, 'a guess')))))
      assert.ok(most >= 1 && most <= 3, `${most} at once`)
      assert.deepEqual(
        answers,
        Array.from({ length: 12 }, () => false)
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
