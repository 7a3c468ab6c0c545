import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { agentConfigDefaults, serialiseAgentConfig } from '@curfew/codecs'
import { createOpenTokenAgent } from '@curfew/sdk'
import type { MessageKey } from '../../src/authority/pages/messages.ts'
import { formOf } from '../authority/browser.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { Visitor } from '../gateway/visitor.ts'
import { type Answer, createPerson, type Person } from '../support/person.ts'
import { curfew, freePorts } from './bin.ts'
import { type RunningCurfew, startInstallation } from './running.ts'

const secret = 'a secret of both sides'
const [partnerPort = 0, gatewayPort = 0] = await freePorts(2)
const partnerUrl = `http://127.0.0.1:${partnerPort}`
const gate = `http://gate.localhost:${gatewayPort}`
const held: { curfew?: RunningCurfew } = {}
const baseUrl = (): string => held.curfew?.baseUrl ?? ''
const agent = createOpenTokenAgent({
  agentConfig: serialiseAgentConfig({ ...agentConfigDefaults, password: Buffer.from(secret) }),
  nowMs: () => Temporal.Now.instant().epochMilliseconds,
  randomBytes
})

/** A portal that signs everybody in, and an application that is there but never sends a browser back. */
const partner = createServer((request, response) => {
  const url = new URL(request.url ?? '/', partnerUrl)
  if (url.pathname !== '/login') return response.end('<p>The application</p>')
  const back = new URL(url.searchParams.get('resumePath') ?? '', baseUrl())
  back.searchParams.set('opentoken', agent.write({ subject: `zoe-${randomBytes(4).toString('hex')}` }))
  response.writeHead(303, { location: back.href }).end()
})

/** One text of each page that a brand replaces; none of them has values. */
const english = {
  'post.title': 'On your way',
  'signon.title': 'Come in',
  'signon.failed': 'Not quite.',
  'password.changeTitle': 'A fresh password',
  'password.different': 'Write the same twice.',
  'password.resetIntro': 'Ask the desk on floor two.',
  'password.codeWrong': 'That code is no good.',
  'password.new': 'Your fresh password',
  'password.changed': 'Fresh it is',
  'link.title': 'Who are you here?',
  'link.listTitle': 'Ways in that you linked',
  'account.other': 'I am another one',
  'consent.allow': 'Go ahead',
  'home.title': 'All of yours',
  'ask.title': 'Really?',
  'ask.cancelled': 'Then stay.',
  'live.title': 'Closing the doors',
  'result.title': 'Good night',
  'result.titlePartial': 'One door is open',
  'done.title': 'Good night to you',
  'done.nothing': 'Nobody to sign out',
  'sessions.title': 'Where you are',
  'error.title': 'Oh no',
  'error.stateNotFound': 'Too late for this page.',
  'error.notFound': 'No such door.',
  'gateway.loggedOutTitle': 'Out at this door',
  'gateway.applicationDown': 'That one is asleep.'
} as const satisfies Partial<Record<MessageKey, string>>

type Text = keyof typeof english

const german = Object.fromEntries(Object.entries(english).map(([key, text]) => [key, `${text} - auf Deutsch`])) as Readonly<Record<Text, string>>

function metadataOf(id: string, hasLogout: boolean): string {
  const certificate = makeKeyPair(id).certificatePem.replaceAll(/-----[A-Z ]+-----|\n/g, '')
  const bindings = 'urn:oasis:names:tc:SAML:2.0:bindings'
  const logout = hasLogout ? `<SingleLogoutService Binding="${bindings}:HTTP-Redirect" Location="${partnerUrl}/slo"/>` : ''
  return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://${id}.example/saml"><SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>${certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>${logout}<AssertionConsumerService index="0" Binding="${bindings}:HTTP-POST" Location="${partnerUrl}/acs"/></SPSSODescriptor></EntityDescriptor>`
}

before(async () => {
  partner.listen(partnerPort, '127.0.0.1')
  held.curfew = await startInstallation({
    config: () => ({
      signOn: { users: 'users.yaml', adapterLogout: { path: '/goodbye', template: 'brand/goodbye.html' } },
      connections: [
        ...['quiet', 'away'].map((id) => ({ id, protocol: 'saml', metadata: { file: `peers/${id}.xml` } })),
        { id: 'asks', protocol: 'oidc', clientSecret: secret, redirectUris: [`${partnerUrl}/cb`], consent: 'ask', requirePkce: false },
        { id: 'gate', protocol: 'oidc', clientSecret: secret, redirectUris: [`${gate}/pa/oidc/cb`], revocationFeed: true }
      ],
      identityProviders: [
        {
          id: 'portal',
          protocol: 'opentoken',
          password: secret,
          authenticationService: `${partnerUrl}/login`,
          accountLinking: 'offered',
          targetUrl: partnerUrl
        }
      ],
      gateway: {
        listen: [`127.0.0.1:${gatewayPort}`],
        provider: { clientId: 'gate', clientSecret: secret },
        webSessions: [{ name: 'main', audience: 'gate' }],
        applications: [{ id: 'asleep', urls: [gate], target: 'http://127.0.0.1:9', anonymous: ['/open'] }]
      },
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
      for (const name of ['ana', 'ben', 'cleo'])
        assert.equal((await curfew(folder, ['users', 'add', name, '--password-stdin'], `a long secret of ${name}`)).code, 0)
      mkdirSync(join(folder, 'brand/texts'), { recursive: true })
      mkdirSync(join(folder, 'peers'), { recursive: true })
      for (const id of ['quiet', 'away']) writeFileSync(join(folder, `peers/${id}.xml`), metadataOf(id, id === 'away'))
      writeFileSync(join(folder, 'brand/logo.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
      writeFileSync(join(folder, 'brand/dark.png'), Buffer.from('89504e470d0a1a0a', 'hex'))
      writeFileSync(join(folder, 'brand/header.html'), '<p>Acme header</p>')
      writeFileSync(join(folder, 'brand/footer.html'), '<p><a href="https://acme.example/">Acme footer</a></p>')
      writeFileSync(join(folder, 'brand/goodbye.html'), '<p>Goodbye from the desk.</p>')
      for (const [language, texts] of Object.entries({ en: english, de: german }))
        writeFileSync(join(folder, `brand/texts/${language}.json`), JSON.stringify(texts))
    }
  })
})

after(async () => {
  partner.closeAllConnections()
  partner.close()
  await held.curfew?.[Symbol.asyncDispose]()
})

/** Goes where an answer leads, to the portal and back, too. */
async function follow(person: Person, answer: Answer): Promise<Answer> {
  let at = answer
  for (let i = 0; i < 8 && at.status >= 300 && at.status < 400; i++) {
    const isAway = at.location.startsWith(`${partnerUrl}/`)
    const back = isAway ? (await fetch(at.location, { redirect: 'manual' })).headers.get('location') : at.location
    at = await person.get(back ?? '')
  }
  return at
}

async function signedIn(person: Person, name = 'ana'): Promise<Person> {
  const { status, body } = await person.signIn(name, `a long secret of ${name}`)
  assert.equal(status, 303, body)
  return person
}

/** Answers the form of a page. */
async function answered(person: Person, path: string, values: Readonly<Record<string, string>>): Promise<Answer> {
  const { action, fields } = formOf((await follow(person, await person.get(path))).body)
  return person.post(action, { ...fields, ...values })
}

/** Opens applications, and comes to the page of the run of a sign-out. */
async function signedOut(person: Person, applications: readonly string[]): Promise<string> {
  await signedIn(person)
  for (const id of applications) assert.equal((await person.get(idpStart(id))).status, 200, id)
  return (await person.signOut()).location
}

const idpStart = (id: string): string => `/idp/startSSO.ping?PartnerSpId=${encodeURIComponent(`https://${id}.example/saml`)}`
const authorize = (prompt: string): string =>
  `/as/authorization.oauth2?${new URLSearchParams({ client_id: 'asks', response_type: 'code', redirect_uri: `${partnerUrl}/cb`, scope: 'openid email', state: 's', nonce: 'n', prompt }).toString()}`
const changePath = '/ext/pwdchange/Identify'
const resetPath = '/ext/pwdreset/Identify'

/** The browser is sent to an application that keeps it, and comes back. */
async function comeBack(person: Person): Promise<string> {
  const path = await signedOut(person, ['away'])
  const away = await person.get(`${path}/go`)
  assert.match(away.location, /\/slo\?SAMLRequest=/)
  return path
}

async function openPortal(person: Person): Promise<Answer> {
  const form = await person.get('/')
  return follow(person, await person.get(`${form.location}?identityProvider=portal`))
}

async function resetCode(): Promise<string> {
  const { url } = (await held.curfew?.json<{ readonly url: string }>(['users', 'reset', 'cleo'])) ?? assert.fail('no server')
  return new URL(url).search
}

interface Listed {
  readonly name: string
  readonly text: Text
  open(person: Person): Promise<Pick<Answer, 'body'>>
}

const listed: readonly Listed[] = [
  { name: 'sign-in form', text: 'signon.title', open: async (person) => follow(person, await person.get('/')) },
  { name: 'sign-in form after a wrong password', text: 'signon.failed', open: (person) => person.signIn('nobody', 'wrong') },
  { name: 'account link', text: 'link.title', open: openPortal },
  {
    name: 'my sessions, with a linked account',
    text: 'link.listTitle',
    open: async (person) => {
      const { action, fields } = formOf((await openPortal(person)).body)
      await follow(person, await person.post(action, { ...fields, choice: 'link', username: 'ben', password: 'a long secret of ben' }))
      return person.get('/signoff/sessions')
    }
  },
  {
    name: 'choice of an account',
    text: 'account.other',
    open: async (person) => follow(await signedIn(person), await person.get(authorize('select_account')))
  },
  { name: 'consent', text: 'consent.allow', open: async (person) => follow(await signedIn(person), await person.get(authorize('consent'))) },
  { name: 'start page', text: 'home.title', open: async (person) => (await signedIn(person)).get('/') },
  { name: 'automatic POST of a SAML Response', text: 'post.title', open: async (person) => (await signedIn(person)).get(idpStart('quiet')) },
  { name: 'password change', text: 'password.changeTitle', open: async (person) => (await signedIn(person)).get(changePath) },
  {
    name: 'password change, refused',
    text: 'password.different',
    open: async (person) =>
      answered(await signedIn(person), changePath, { current: 'a long secret of ana', password: 'seven wet umbrellas', repeated: 'other' })
  },
  { name: 'reset of a password, the code', text: 'password.resetIntro', open: (person) => person.get(resetPath) },
  { name: 'reset of a password, a wrong code', text: 'password.codeWrong', open: (person) => person.get(`${resetPath}?code=wrong`) },
  { name: 'reset of a password', text: 'password.new', open: async (person) => person.get(`${resetPath}${await resetCode()}`) },
  {
    name: 'password that was reset',
    text: 'password.changed',
    open: async (person) => answered(person, `${resetPath}${await resetCode()}`, { password: 'seven wet umbrellas', repeated: 'seven wet umbrellas' })
  },
  { name: 'logout confirmation', text: 'ask.title', open: async (person) => (await signedIn(person)).get('/signoff') },
  {
    name: 'logout that was declined',
    text: 'ask.cancelled',
    open: async (person) => answered(await signedIn(person), '/idp/init_logout.openid', { choice: 'stay' })
  },
  { name: 'logout under way', text: 'live.title', open: async (person) => person.get(await signedOut(person, ['away'])) },
  { name: 'logout of a browser that came back', text: 'result.titlePartial', open: async (person) => follow(person, await person.get(await comeBack(person))) },
  { name: 'logout error', text: 'result.titlePartial', open: async (person) => person.get(await signedOut(person, ['quiet'])) },
  { name: 'logout success', text: 'result.title', open: async (person) => person.get(await signedOut(person, [])) },
  { name: 'logout success without a session', text: 'done.nothing', open: async (person) => follow(person, await person.get('/idp/startSLO.ping')) },
  { name: 'logout success of the form', text: 'done.title', open: (person) => person.get('/ext/goodbye') },
  { name: 'logout success of the service provider side', text: 'done.nothing', open: async (person) => follow(person, await person.get('/sp/startSLO.ping')) },
  { name: 'my sessions', text: 'sessions.title', open: async (person) => (await signedIn(person)).get('/signoff/sessions') },
  { name: 'state not found', text: 'error.stateNotFound', open: (person) => person.get('/idp/0123456789012345678901/resume/idp/SSO.ping') },
  { name: 'general error', text: 'error.title', open: (person) => person.get('/idp/SSO.saml2?SAMLRequest=nothing') },
  { name: 'error of a form of another browser', text: 'error.stateNotFound', open: (person) => person.post(changePath, { csrfToken: 'of another one' }) },
  { name: 'error of the OpenID engine', text: 'error.title', open: (person) => person.get('/as/authorization.oauth2?client_id=nobody') },
  { name: 'HTTP error', text: 'error.notFound', open: (person) => person.get('/no/such/page') }
]

const ofGateway: readonly (readonly [name: string, url: string, text: Text])[] = [
  ['unknown host', `http://other.localhost:${gatewayPort}/`, 'error.notFound'],
  ['application that does not answer', `${gate}/open`, 'gateway.applicationDown'],
  ['answer to a sign-in that nobody began', `${gate}/pa/oidc/cb?state=nothing&code=nothing`, 'error.stateNotFound'],
  ['signed out at one host', `${gate}/pa/oidc/logout`, 'gateway.loggedOutTitle']
]

function assertBranded(body: string, language: 'en' | 'de', text: Text): void {
  for (const part of [
    `<html lang="${language}">`,
    (language === 'en' ? english : german)[text],
    'Acme',
    '--accent:#5b2a86',
    '--accent:#d8b4fe',
    '<p>Acme header</p>',
    'Acme footer</a></p>',
    'https://help.acme.example/',
    '<source media="(prefers-color-scheme:dark)" srcset="data:image/png;base64,',
    '<img src="data:image/svg+xml;base64,'
  ])
    assert.ok(body.includes(part), `${part} is not in ${body.replaceAll(/<style[\s\S]*?<\/style>/g, '')}`)
  // What stands in English where the person reads German was not replaced, or is no text of the pages at all.
  if (language === 'de') assert.equal(body.replaceAll(german[text], '').includes(english[text]), false)
}

suite('AC-164 pages of a server with a brand: text, colours of both schemes, header, footer and both logos are replaced', { timeout: 180_000 }, () => {
  for (const language of ['en', 'de'] as const) {
    for (const { name, text, open } of listed)
      test(`AC-164 ${name}, ${language}`, async () => {
        const { body } = await open(createPerson(baseUrl(), { 'accept-language': language, 'sec-fetch-site': 'none' }))
        assertBranded(body, language, text)
      })
    for (const [name, url, text] of ofGateway)
      test(`AC-164 gateway: ${name}, ${language}`, async () => {
        const { body } = await new Visitor().ask(url, { headers: { 'accept-language': language } })
        assertBranded(body, language, text)
      })
  }

  test('AC-164 a language that the brand says nothing of has its own texts, in the same dress', async () => {
    const { body } = await createPerson(baseUrl()).get('/no/such/page?lang=fr')
    assert.match(body, /<html lang="fr">/)
    assert.ok(body.includes('Acme header') && !body.includes('Oh no'))
  })
})
