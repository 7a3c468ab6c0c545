import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { curfew } from './bin.ts'
import { type RunningCurfew, startInstallation } from './running.ts'

const held: { curfew?: RunningCurfew } = {}
const texts = {
  'signon.title': 'Come in',
  'done.text': 'Bye from {organisation}.',
  'done.nothing': 'Nobody to sign out',
  'ask.title': 'Really?',
  'result.title': 'Good night',
  'done.title': 'Good night',
  'error.title': 'Oh no',
  'error.stateNotFound': 'Too late for this page.',
  'home.signedOut': 'Nobody is in.'
}

before(async () => {
  held.curfew = await startInstallation({
    config: () => ({
      signOn: { users: 'users.yaml', adapterLogout: { path: '/goodbye' } },
      brand: {
        organisation: 'Acme',
        help: 'https://help.acme.example/',
        logo: 'brand/logo.svg',
        tokens: { accent: '#5b2a86' },
        dark: { logo: 'brand/dark.png', tokens: { accent: '#d8b4fe' } },
        header: 'brand/header.html',
        footer: 'brand/footer.html',
        messages: 'brand/texts'
      }
    }),
    prepare: async (folder) => {
      assert.equal((await curfew(folder, ['users', 'add', 'ana', '--password-stdin'], 'ana secret')).code, 0)
      mkdirSync(join(folder, 'brand/texts'), { recursive: true })
      writeFileSync(join(folder, 'brand/logo.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
      writeFileSync(join(folder, 'brand/dark.png'), Buffer.from('89504e470d0a1a0a', 'hex'))
      writeFileSync(join(folder, 'brand/header.html'), '<p>Acme header</p>')
      writeFileSync(join(folder, 'brand/footer.html'), '<p><a href="https://acme.example/">Acme footer</a></p>')
      writeFileSync(join(folder, 'brand/texts/en.json'), JSON.stringify(texts))
    }
  })
})

after(() => held.curfew?.[Symbol.asyncDispose]())

async function page(path: string): Promise<string> {
  const answer = await fetch((held.curfew?.baseUrl ?? '') + path, { headers: { accept: 'text/html', 'accept-language': 'en' } })
  assert.match(answer.headers.get('content-type') ?? '', /text\/html/)
  return answer.text()
}

/** Where a listed page is reached without a partner, and the text of it that was replaced. */
const pages: readonly (readonly [name: string, path: string, text: string])[] = [
  ['sign-in', '/', 'Come in'],
  ['logout success of an application', '/idp/startSLO.ping', 'Nobody to sign out'],
  ['logout success of the form', '/ext/goodbye', 'Nobody to sign out'],
  ['logout success of the service provider side', '/sp/startSLO.ping', 'Nobody to sign out'],
  ['state not found', '/idp/0123456789012345678901/resume/idp/SSO.ping', 'Too late for this page.'],
  ['general error', '/idp/SSO.saml2?SAMLRequest=nothing', 'Oh no'],
  ['HTTP error', '/no/such/page', 'Oh no']
]

function assertBranded(body: string, text: string): void {
  for (const part of [
    text,
    'Acme',
    '--accent:#5b2a86',
    '--accent:#d8b4fe',
    '<p>Acme header</p>',
    'Acme footer</a></p>',
    'https://help.acme.example/',
    '<source media="(prefers-color-scheme:dark)" srcset="data:image/png;base64,',
    '<img src="data:image/svg+xml;base64,'
  ])
    assert.ok(body.includes(part), `${part} is not in ${body}`)
}

suite('AC-164 pages of a server with a brand', { timeout: 120_000 }, () => {
  for (const [name, path, text] of pages) {
    test(`AC-164 ${name}: text, colours of both schemes, header, footer and both logos are replaced`, async () => {
      assertBranded(await page(path), text)
    })
  }

  test('AC-164 logout confirmation and logout success after a sign-in', async () => {
    const browser = new PlainBrowser()
    const baseUrl = held.curfew?.baseUrl ?? ''
    try {
      await browser.submit(await browser.open(`${baseUrl}/`), { username: 'ana', password: 'ana secret' })
      const asked = await browser.open(`${baseUrl}/signoff`)
      assertBranded(asked.body, '<h1>Really?</h1>')
      assertBranded((await browser.submit(asked, { choice: 'everywhere' })).body, '<h1>Good night</h1>')
    } finally {
      await browser.close()
    }
  })

  test('AC-164 another language keeps its own texts, in the same dress', async () => {
    const body = await page('/no/such/page?lang=de')
    assert.match(body, /<html lang="de">/)
    assert.ok(body.includes('Acme header') && !body.includes('Oh no'))
  })
})
