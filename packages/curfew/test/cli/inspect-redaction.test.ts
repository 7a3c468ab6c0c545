import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { inspect } from '../../src/cli/commands/inspect.ts'
import type { CommandContext } from '../../src/cli/context.ts'
import { shortened } from '../../src/cli/inspect-shorten.ts'
import { createFakeClock } from '../authority/fake-clock.ts'
import { createUpstream } from '../authority/identity-provider.ts'
import { authorityPair, nameId, nowMs, sample, token } from './inspect-samples.ts'

interface Printed {
  readonly out: string
  readonly code: number
}

/** Runs the command and keeps what it prints. The configuration that it is given does not exist. */
async function print(input: string, options: { readonly json?: boolean; readonly reveal?: boolean } = {}): Promise<Printed> {
  const lines: string[] = []
  const context: CommandContext = {
    terminal: {
      out: (line) => void lines.push(line),
      note: (line) => void lines.push(line),
      error: () => undefined,
      style: (_, text) => text,
      rewrite: () => undefined,
      canRewrite: false,
      isInteractive: false,
      isQuiet: false,
      columns: 100
    },
    options: { config: 'there/is/none.yaml', color: false, input: false, ...(options.json === true ? { json: true } : {}) },
    environment: {}
  }
  const code = await inspect(context, input, { reveal: options.reveal === true })
  return { out: lines.join('\n'), code }
}

const { partner, redirect, post, soap } = await sample()
const mail = 'ana.maria@example.com'
const relayState = 'relay-state-that-opens-something'
const upstream = createUpstream('school', createFakeClock(nowMs), authorityPair)
const response = await upstream.respond({
  username: nameId,
  relayState,
  attributes: [
    { name: 'mail', values: [mail] },
    { name: 'groups', values: ['payroll-admins', 'rd'] }
  ]
})
const jwt = token({
  iss: 'https://login.example.com',
  aud: 'wiki',
  sub: nameId,
  email: mail,
  sid: 'a-sid-in-full',
  address: { street: 'Long Lane 1' },
  phones: [441234567]
})
const [, , jwtSignature = ''] = jwt.split('.')

suite('message rule 5: what names a person or opens something is never printed in full', () => {
  const secrets = [
    nameId,
    mail,
    'payroll-admins',
    relayState,
    'a-sid-in-full',
    'Long Lane',
    '441234567',
    jwtSignature,
    jwt.split('.')[1] ?? '',
    response['SAMLResponse'] ?? ''
  ]
  const inputs: readonly (readonly [string, string])[] = [
    ['a LogoutRequest by Redirect', redirect],
    ['a LogoutRequest by POST', new URLSearchParams({ ...post, RelayState: relayState }).toString()],
    ['a LogoutRequest by SOAP', soap],
    ['a Response with attributes', new URLSearchParams(response).toString()],
    ['a token', jwt],
    ['an address with a token', `https://login.example.com/idp/init_logout.openid?id_token_hint=${jwt}`]
  ]
  for (const [what, input] of inputs) {
    test(`${what}, as text and as JSON`, async () => {
      for (const json of [false, true]) {
        const { out } = await print(input, { json })
        for (const secret of secrets) assert.ok(!out.includes(secret), `${secret} is printed`)
        assert.match(out, /ana\.\.\.\. \(sha256 [0-9a-f]{8}\)/)
      }
    })
  }

  test('--reveal prints it', async () => {
    assert.match((await print(redirect, { reveal: true })).out, new RegExp(nameId.replaceAll('.', '\\.')))
    const revealed = (await print(new URLSearchParams(response).toString(), { reveal: true, json: true })).out
    for (const value of [nameId, mail, 'payroll-admins', relayState]) assert.ok(revealed.includes(value), value)
    const shown = (await print(jwt, { reveal: true })).out
    for (const value of [nameId, mail, jwtSignature]) assert.ok(shown.includes(value), value)
  })

  test('a short name is not printed in full either', () => {
    assert.match(shortened('ana'), /^a\.\.\. /)
    assert.match(shortened('a'), /^\.\.\. /)
    assert.match(shortened('ana.maria'), /^ana\.\.\.\. /)
  })

  test('attributes are listed by name, each value in short', async () => {
    const { out } = await print(new URLSearchParams(response).toString())
    assert.match(out, /Attributes +mail = ana\.\.\.\. \(sha256 [0-9a-f]{8}\)\n +groups = payr\.\.\. \(sha256 [0-9a-f]{8}\), r\.\.\. \(sha256 [0-9a-f]{8}\)/)
  })
})

suite('what inspect prints and how it ends', () => {
  test('0 when nothing is wrong, 2 when something is', async () => {
    const late = await partner.logoutRedirect(partner.logoutRequest({ value: nameId }, [], { notOnOrAfter: Temporal.Instant.from('2026-01-01T00:00:00Z') }))
    assert.equal((await print(late)).code, 2)
    const soon = Temporal.Instant.from('2126-01-01T00:00:00Z')
    assert.equal(
      (
        await print(
          await partner.logoutRedirect(
            partner.logoutRequest({ value: nameId }, [], { notOnOrAfter: soon, issueInstant: Temporal.Instant.from('2026-01-01T00:00:00Z') })
          )
        )
      ).code,
      0
    )
  })

  test('programs get kind, fields and judgements', async () => {
    const said = JSON.parse((await print(redirect, { json: true })).out) as {
      kind: string
      sentTo: string
      fields: Record<string, unknown>
      judgements: { what: string }[]
    }
    assert.deepEqual([said.kind, said.sentTo, said.fields['Issuer']], ['LogoutRequest', 'http://curfew.test/idp/SLO.saml2', partner.entityId])
    assert.deepEqual(
      said.judgements.map(({ what }) => what),
      ['signature', 'destination', 'issued', 'expiry', 'session']
    )
  })

  test('a token shows its times as times', async () => {
    const { out } = await print(token({ iss: 'https://x.test', exp: 1_900_000_000 }), { json: true })
    const said = JSON.parse(out) as { claims: Record<string, unknown>; verified: boolean }
    assert.deepEqual([said.claims['exp'], said.verified], ['2030-03-17T17:46:40.000Z', false])
  })
})
