import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { NameID } from '@curfew/codecs'
import { stringify } from 'yaml'
import type { LogoutRun } from '../../src/core/run.ts'
import { createAdminServer } from '../../src/admin/server.ts'
import { inStore } from '../../src/stores/everywhere.ts'
import type { Judgement } from '../../src/cli/inspect-judgement.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { createMetrics } from '../../src/platform/metrics.ts'
import { authorityPair, createKit, type Kit, signInTo } from '../authority/kit.ts'
import { authorityUrl } from '../authority/partner.ts'
import { curfew, type Finished } from './bin.ts'
import { token } from './inspect-samples.ts'
import { alone, noStreams } from '../admin/alone.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-inspect-'))
const adminToken = 'the token of the test server'
const soapUrl = 'http://payroll.test/soap'
const started: { kit?: Kit; address?: string; close?: () => Promise<void> } = {}

before(async () => {
  const kit = await createKit({
    startMs: Date.now(),
    partners: { payroll: { slo: [{ binding: 'soap', url: soapUrl }] } },
    network: async () => ({ status: 500 })
  })
  const { store, engine, clock, ids } = kit.ctx
  const admin = createAdminServer({
    ...{ store, engine, clock, ids },
    everywhere: inStore(store, () => clock.nowMs()),
    logger: silentLogger,
    metrics: createMetrics(),
    token: adminToken,
    version: '0.0.0',
    baseUrl: authorityUrl,
    peers: () => [],
    ...noStreams,
    peer: (id) => kit.ctx.peer(id),
    cluster: alone,
    resetPassword: async () => assert.fail('nobody asks'),
    accountLinks: { list: async () => assert.fail('nobody asks'), remove: async () => assert.fail('nobody asks') },
    status: () => 'ok'
  })
  await admin.listen({ host: '127.0.0.1', port: 0 })
  started.kit = kit
  started.address = `http://127.0.0.1:${(admin.server.address() as AddressInfo).port}`
  started.close = async () => {
    await admin.close()
    await kit[Symbol.asyncDispose]()
  }
  writeInstallation(kit)
})

after(async () => {
  await started.close?.()
  rmSync(folder, { recursive: true, force: true })
})

/** How the configuration names the authority: one that other machines reach has an https address. */
const ownUrl = 'https://curfew.test'

/** The same authority as a configuration: its certificate, its secret, its partner. */
function writeInstallation(kit: Kit): void {
  const { settings, pair } = kit.partner('payroll')
  const files = {
    'own.crt.pem': authorityPair.certificatePem,
    'payroll.crt.pem': pair.certificatePem,
    'session.secret': Buffer.alloc(32, 7).toString('base64'),
    'admin.token': adminToken
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const { id, entityId, acs, slo } = settings
  const config = {
    server: { baseUrl: ownUrl },
    saml: { keys: [{ key: 'own.key.pem', certificate: 'own.crt.pem', algorithm: 'ecdsa-sha256' }] },
    sessions: { secretFile: 'session.secret' },
    signOn: { users: 'users.yaml' },
    admin: { tokenFile: 'admin.token', listen: ['127.0.0.1:1'] },
    connections: [
      { id, protocol: 'saml', entityId, acs, slo, certificates: ['payroll.crt.pem'] },
      { id: 'intranet', protocol: 'saml', metadata: { url: 'https://intranet.test/metadata' } }
    ]
  }
  writeFileSync(join(folder, 'curfew.yaml'), stringify(config))
}

function kitOf(): Kit {
  return started.kit ?? assert.fail('not started')
}

async function judgements(args: readonly string[], input = ''): Promise<Readonly<Record<string, Judgement>>> {
  const { out, err } = await curfew(folder, ['inspect', ...args, '--json'], input)
  assert.equal(err, '')
  const said = JSON.parse(out) as { judgements: readonly Judgement[] }
  return Object.fromEntries(said.judgements.map((one) => [one.what, one]))
}

const asking = (tokenFile = 'admin.token'): readonly string[] => ['--server', started.address ?? '', '--token-file', tokenFile]

/** Signs in to payroll and gives back what it knows of the session. */
async function signedIn(): Promise<{ readonly nameId: NameID; readonly sessionIndex: string }> {
  const { assertion } = await signInTo(kitOf(), kitOf().browser(), 'payroll')
  return { nameId: assertion?.subject.nameId ?? assert.fail('no name'), sessionIndex: assertion?.authnStatement?.sessionIndex ?? '' }
}

/** The newest run, once it has sent something. */
async function attempted(): Promise<LogoutRun> {
  for (;;) {
    await kitOf().clock.advance(0)
    const [run] = (await kitOf().store.listRuns({ limit: 1 })).items
    if (run?.deliveries.some(({ attempts }) => attempts.length > 0)) return run
    await setTimeout(1)
  }
}

suite('curfew inspect beside an authority', { timeout: 180_000 }, () => {
  test('judges everything about a LogoutRequest, and sees its session live, then ended', async () => {
    const partner = kitOf().partner('payroll')
    const { nameId, sessionIndex } = await signedIn()
    const sent = await partner.logoutRedirect(partner.logoutRequest(nameId, [sessionIndex], { destination: `${ownUrl}/idp/SLO.saml2` }))
    const url = sent.replace(authorityUrl, ownUrl)
    const before = await judgements([url, ...asking()])
    const verdicts = Object.fromEntries(Object.entries(before).map(([what, { verdict }]) => [what, verdict]))
    assert.deepEqual(verdicts, { signature: 'ok', destination: 'ok', issued: 'ok', expiry: 'ok', session: 'ok' })
    const [one] = (await kitOf().store.listSessions({ nowMs: kitOf().clock.nowMs(), limit: 1, state: 'live' })).items
    await kitOf().ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: one?.session.id ?? assert.fail('no session') },
      reason: 'admin',
      by: { kind: 'admin', id: 'ops' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    const run = await attempted()
    assert.match((await judgements([url, ...asking()]))['session']?.why ?? '', new RegExp(`ended at .* by ${run.id}`))
    const messageId = run.deliveries[0]?.attempts[0]?.messageId ?? assert.fail('no message')
    const answer = await partner.logoutAnswer({ ...partner.logoutRequest(nameId, []), id: messageId })
    const { InResponseTo } = await judgements([answer, ...asking()])
    assert.match(InResponseTo?.why ?? '', new RegExp(`it answers attempt 1 of ${run.id}`))
  })

  test('asks nobody when the server does not answer or does not permit', async () => {
    const partner = kitOf().partner('payroll')
    const { nameId, sessionIndex } = await signedIn()
    const url = await partner.logoutRedirect(partner.logoutRequest(nameId, [sessionIndex]))
    assert.deepEqual((await judgements([url]))['session']?.why, 'not asked: no server answers at its admin address')
    writeFileSync(join(folder, 'wrong.token'), 'another token')
    const { session } = await judgements([url, ...asking('wrong.token')])
    assert.deepEqual([session?.verdict, session?.why], ['unknown', 'not asked: CURFEW_API_UNAUTHORISED'])
  })

  test('reads standard input and files, prints no name in full and ends with 2 for a wrong destination', async () => {
    const partner = kitOf().partner('payroll')
    const request = partner.logoutRequest({ value: 'ana.maria.example' }, [], { destination: 'http://old.test/slo' })
    const soap = await partner.logoutSoap(request)
    writeFileSync(join(folder, 'message.xml'), soap)
    const [piped, filed] = (await Promise.all([curfew(folder, ['inspect', '-'], soap), curfew(folder, ['inspect', 'message.xml'])])) as [Finished, Finished]
    // The two programs look at their clocks one after the other.
    const timeless = ({ out }: Finished): string => out.replaceAll(/\d+ s\b/g, 'n s')
    assert.deepEqual([piped.code, filed.code, timeless(piped)], [2, 2, timeless(filed)])
    assert.match(piped.out, /fail {4}destination: addressed to http:\/\/old\.test\/slo, this authority answers at https:\/\/curfew\.test\/idp\/SLO\.ssaml2/)
    assert.doesNotMatch(piped.out, /ana\.maria/)
  })

  test('says of a message from a partner behind an address that nothing was fetched', async () => {
    const stranger = await judgements([token({ iss: 'https://intranet.test' })])
    assert.equal(stranger['signature']?.verdict, 'unknown')
    const partner = kitOf().partner('payroll')
    const unknown = await partner.logoutRedirect(partner.logoutRequest({ value: 'ana' }, [], { issuer: 'https://intranet.test' }))
    assert.match((await judgements([unknown]))['signature']?.why ?? '', /intranet was not read: its metadata comes from an address/)
  })

  test('judges a token of this authority', async () => {
    const seconds = Math.floor(Date.now() / 1000)
    const claims = { iss: ownUrl, iat: seconds, exp: seconds + 60 }
    const { authorityPair: signer } = await import('../authority/kit.ts')
    assert.equal((await judgements([token(claims, {}, signer)]))['signature']?.verdict, 'ok')
    assert.equal((await judgements([token(claims)]))['signature']?.verdict, 'fail')
  })
})
