import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { openTokenKey, type OpenTokenSuiteId, writeOpenToken } from '@curfew/codecs'
import { inspect } from '../../src/cli/commands/inspect.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { contextOf } from './context.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-inspect-otk-'))
after(() => rmSync(folder, { recursive: true }))

const password = 'a secret of both sides'
writeFileSync(join(folder, 'crt.pem'), makeKeyPair('own').certificatePem)
const config = join(folder, 'curfew.yaml')
writeFileSync(
  config,
  JSON.stringify({
    server: { baseUrl: 'https://login.example.com' },
    saml: { keys: [{ key: 'key.pem', certificate: 'crt.pem' }] },
    sessions: { secretFile: 'secret' },
    signOn: { users: 'users.yaml' },
    connections: [
      { id: 'forms', protocol: 'opentoken', targetUrl: 'https://forms.example.com/open', password },
      { id: 'other', protocol: 'opentoken', targetUrl: 'https://other.example.com/open', password: 'another secret' }
    ]
  })
)

function token(suiteId: OpenTokenSuiteId = 2, from = 0, by = password): string {
  const now = Temporal.Now.instant()
  const statement = {
    subject: 'ana.maria',
    attributes: { mail: ['ana.maria@example.org'] },
    notBefore: now.add({ seconds: from }),
    notOnOrAfter: now.add({ seconds: from + 300 })
  }
  return writeOpenToken(statement, openTokenKey(suiteId, by), new Uint8Array(suiteId === 3 ? 8 : 16).fill(7))
}

async function inspected(input: string, options: { readonly reveal?: boolean; readonly config?: string } = {}): Promise<{ code: number; text: string }> {
  const { context, lines } = contextOf(options.config === undefined ? { config } : { config: options.config })
  const code = await inspect(context, input, options)
  return { code, text: lines.join('\n') }
}

suite('curfew inspect: OpenToken', () => {
  test('opens a token with the password of the connection it belongs to, and shows no name in full', async () => {
    const { code, text } = await inspected(token())
    assert.equal(code, 0, text)
    assert.match(text, /^OpenToken\n {2}Version +1\n {2}Cipher suite +2, AES-128-CBC\n {2}Key info +none\n/)
    assert.match(text, /subject +ana\.\.\.\. \(sha256 [0-9a-f]{8}\)/)
    assert.match(text, /ok +password: that of forms\n/)
    assert.match(text, /ok +expiry: valid for \d+ s/)
    assert.doesNotMatch(text, /ana\.maria/)
    assert.match((await inspected(token(), { reveal: true })).text, /mail +ana\.maria@example\.org/)
  })

  test('finds one in the address that carries it, under any name', async () => {
    const address = `https://forms.example.com/open?x=1&crumb=${encodeURIComponent(token())}`
    assert.match((await inspected(address)).text, /that of forms/)
    assert.match((await inspected(`opentoken=${token()}`)).text, /that of forms/)
  })

  test('says what it sees where no password fits, none is known, or the suite is used by nobody', async () => {
    const foreign = await inspected(token(2, 0, 'of somebody else'))
    assert.equal(foreign.code, 2)
    assert.match(foreign.text, /fail +password: made with the password of none of forms, other, or changed on the way/)
    const suite3 = await inspected(token(3))
    assert.equal(suite3.code, 0)
    assert.match(suite3.text, /Cipher suite +3, DES-EDE3-CBC[\s\S]*unknown +password: no OpenToken connection here has this cipher suite/)
    assert.match((await inspected(token(), { config: join(folder, 'none.yaml') })).text, /unknown +password: no password is known/)
  })

  test('one that is over, and one that was cut off, are judged so', async () => {
    const old = await inspected(token(2, -900))
    assert.equal(old.code, 2)
    assert.match(old.text, /fail +expiry: expired \d+ s ago/)
    const cut = await inspected(token().slice(0, -24))
    assert.equal(cut.code, 2)
    assert.match(cut.text, /fail +shape: its lengths do not fit/)
  })
})
