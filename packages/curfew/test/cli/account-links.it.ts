import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { agentConfigDefaults, serialiseAgentConfig } from '@curfew/codecs'
import { createOpenTokenAgent } from '@curfew/sdk'
import { parse, stringify } from 'yaml'
import type { AccountLinkView } from '../../src/admin/schemas.ts'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { curfew, freePorts, lineOf, startCurfew, stopped } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-links-'))
const secret = 'a secret of both sides'
const held: { child?: ChildProcess; baseUrl: string } = { baseUrl: '' }
const agent = createOpenTokenAgent({
  agentConfig: serialiseAgentConfig({ ...agentConfigDefaults, password: Buffer.from(secret) }),
  nowMs: () => Temporal.Now.instant().epochMilliseconds,
  randomBytes
})

/** An application that knows everybody by another name, and a portal; both answer at once, as for somebody who is signed in there. */
const partner = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://partner')
  const subject = { '/link': 'a-4711', '/login': 'zoe' }[url.pathname]
  if (subject === undefined) return response.end('<p>The application</p>')
  const back = new URL(url.searchParams.get('resumePath') ?? '', held.baseUrl)
  back.searchParams.set('opentoken', agent.write({ subject }))
  response.writeHead(303, { location: back.href }).end()
})

before(async () => {
  const [port = 0, adminPort = 0, partnerPort = 0] = await freePorts(3)
  held.baseUrl = `http://127.0.0.1:${port}`
  partner.listen(partnerPort, '127.0.0.1')
  const at = `http://127.0.0.1:${partnerPort}`
  assert.equal((await curfew(folder, ['init', '--base-url', held.baseUrl])).code, 0)
  const config = parse(readFileSync(join(folder, 'curfew.yaml'), 'utf8')) as object
  writeFileSync(
    join(folder, 'curfew.yaml'),
    stringify({
      ...config,
      server: { baseUrl: held.baseUrl, listen: [`127.0.0.1:${port}`] },
      admin: { listen: [`127.0.0.1:${adminPort}`] },
      connections: [
        { id: 'forms', protocol: 'opentoken', password: secret, transport: 'query', targetUrl: `${at}/open`, accountLinkService: `${at}/link` },
        { id: 'plain', protocol: 'opentoken', password: secret, transport: 'query', targetUrl: `${at}/open` }
      ],
      identityProviders: [
        { id: 'portal', protocol: 'opentoken', password: secret, authenticationService: `${at}/login`, accountLinking: 'required', targetUrl: at }
      ]
    })
  )
  held.child = startCurfew(folder, ['start'])
  await lineOf(held.child, /server\.ready/)
  held.child.stderr?.resume()
})

after(() => {
  partner.close()
  held.child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function addUser(name: string): Promise<void> {
  assert.equal((await curfew(folder, ['users', 'add', name, '--password-stdin'], `${name} of the test`)).code, 0)
}

/** Somebody signs in with a password where a path leads; the page at the end. */
async function walk(path: string, username: string): Promise<string> {
  const browser = new PlainBrowser()
  try {
    const page = await browser.open(held.baseUrl + path)
    return (await browser.submit(page, { username, password: `${username} of the test` })).body
  } finally {
    await browser.close()
  }
}

async function links(name: string): Promise<readonly AccountLinkView[]> {
  const { out, code, err } = await curfew(folder, ['users', 'links', name, '--json'])
  assert.equal(code, 0, err)
  return JSON.parse(out) as AccountLinkView[]
}

suite('links of accounts, with the real program and a running server', { timeout: 180_000 }, () => {
  test('a person links the account at an application, and the sign-in at a portal; the command line lists both', async () => {
    await addUser('ana')
    assert.match(await walk('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms', 'ana'), /The application/)
    assert.match(await walk('/pf/adapter2adapter.ping?SpSessionAuthnAdapterId=plain&IdpAdapterId=portal', 'ana'), /The application/)
    assert.deepEqual((await links('ana')).map(({ provider, role, providerUser, user }) => `${provider} ${role} ${providerUser} ${user}`).sort(), [
      'forms application a-4711 ana',
      'portal upstream zoe ana'
    ])
    const { out } = await curfew(folder, ['users', 'links', 'ana'])
    assert.match(out, /forms +is opened by it +a-4711 +\d{4}-\d\d-\d\d +[\w-]{43}/)
    assert.match(out, /portal +opens this account +zoe/)
  })

  test('one link is removed after a yes, and then there is no such link', async () => {
    const { id = '' } = (await links('ana')).find(({ provider }) => provider === 'forms') ?? {}
    assert.equal((await curfew(folder, ['users', 'unlink', 'ana', id])).code, 4)
    const { code, out } = await curfew(folder, ['users', 'unlink', 'ana', id, '--yes'])
    assert.equal(code, 0)
    assert.match(out, /Unlinked: a-4711 at forms/)
    assert.deepEqual(
      (await links('ana')).map(({ provider }) => provider),
      ['portal']
    )
    assert.equal((await curfew(folder, ['users', 'unlink', 'ana', id, '--yes'])).code, 3)
  })

  test('a user that is removed takes the links along: whoever gets the name is asked again', async () => {
    const { code, out } = await curfew(folder, ['users', 'remove', 'ana', '--yes'])
    assert.equal(code, 0)
    assert.match(out, /Unlinked: zoe at portal/)
    assert.deepEqual(await links('ana'), [])
  })

  test('without the server the user is removed, and what stays is said', async () => {
    await addUser('ben')
    assert.match(await walk('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms', 'ben'), /The application/)
    assert.equal(await stopped(held.child ?? assert.fail()), 0)
    const { code, err } = await curfew(folder, ['users', 'remove', 'ben', '--yes'])
    assert.equal(code, 2)
    assert.match(err, /stay linked to the name.*curfew users unlink ben/)
  })
})
