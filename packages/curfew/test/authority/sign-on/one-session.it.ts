import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { freeRange } from '../../support/ports.ts'
import { type RealAuthority, startRealAuthority } from '../../support/real-authority.ts'
import { type Form, formOf } from '../browser.ts'

/** A browser over the wire: what it sends at once leaves with the same cookies. */
function createClient(origin: string) {
  const jar = new Map<string, string>()
  const keep = (answer: Response): Response => {
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    return answer
  }
  const cookie = (): string => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const get = async (path: string): Promise<Response> =>
    keep(await fetch(new URL(path, origin), { redirect: 'manual', headers: { accept: 'text/html', cookie: cookie() } }))
  return {
    get,
    async form(): Promise<Form> {
      const page = await get((await get('/')).headers.get('location') ?? '')
      return formOf(await page.text())
    },
    async send({ action, fields }: Form, signal?: AbortSignal): Promise<Response> {
      const body = new URLSearchParams({ ...fields, username: 'ana', password: 'correct horse' })
      const init: RequestInit = { method: 'POST', redirect: 'manual', body, headers: { cookie: cookie() } }
      return keep(await fetch(new URL(action, origin), signal === undefined ? init : { ...init, signal }))
    }
  }
}

async function liveSessions({ composition }: RealAuthority): Promise<number> {
  return (await composition.store.findByUser('local:ana')).length
}

suite('sign-ins of one browser in the same moment, over the wire', { timeout: 60_000 }, () => {
  test('leave one session that the browser has: two tabs, a button pressed twice, and an answer that never came', async () => {
    const port = await freeRange(1)
    const origin = `http://127.0.0.1:${port}`
    await using authority = await startRealAuthority({ issuer: origin, port, usernames: ['ana'], connections: [] })
    for (const tabs of [2, 1]) {
      const browser = createClient(origin)
      const forms = [await browser.form(), await browser.form()]
      const answers = await Promise.all([0, 1, 2].map((i) => browser.send(forms[i % tabs] ?? assert.fail())))
      assert.deepEqual(
        answers.map(({ status }) => status),
        [303, 303, 303]
      )
      assert.match(await (await browser.get('/')).text(), /Signed in as ana/)
      assert.equal(await liveSessions(authority), 1)
      await authority.endAll()
    }
    const browser = createClient(origin)
    const form = await browser.form()
    const stop = new AbortController()
    const first = browser.send(form, stop.signal).catch(() => 'gone')
    await new Promise((resolve) => setTimeout(resolve, 15))
    stop.abort()
    assert.equal((await browser.send(form)).status, 303)
    assert.equal(await first, 'gone')
    assert.match(await (await browser.get('/')).text(), /Signed in as ana/)
    assert.equal(await liveSessions(authority), 1)
  })
})
