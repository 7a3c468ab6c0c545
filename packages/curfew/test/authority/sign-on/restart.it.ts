import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { openSqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { createBrowser } from '../browser.ts'
import { createKit, signIn } from '../kit.ts'

suite('sessions over a restart of the authority', () => {
  test('AC-123 a persistent session goes on after everything was restarted, also when the browser was', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'curfew-restart-'))
    const open = () => openSqliteStore({ file: join(folder, 'curfew.db'), capacity: 100 })
    const cookies = new Map<string, string>()
    try {
      {
        await using store = await open()
        await using kit = await createKit({ store, sessions: { persistent: true } })
        const browser = kit.browser()
        await signIn(browser, '/', 'ana', undefined, { persistent: 'yes' })
        for (const [name, value] of browser.cookies) cookies.set(name, value)
      }
      {
        await using store = await open()
        await using kit = await createKit({ store, sessions: { persistent: true } })
        const browser = createBrowser(kit.app)
        browser.cookies.set('PF.PERSISTENT', cookies.get('PF.PERSISTENT') ?? assert.fail('no persistent cookie'))
        assert.match((await browser.get('/')).body, /Signed in as ana/)
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
