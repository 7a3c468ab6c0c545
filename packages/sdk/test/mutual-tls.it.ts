import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { type CertificateFiles, writeCertificate } from '../../curfew/test/support/certificate-files.ts'
import { type Certified, makeCertificate } from '../../curfew/test/support/certificates.ts'
import { freeRange } from '../../curfew/test/support/ports.ts'
import { createMutualTls, type MutualTls } from '../src/index.ts'
import { type Followed, follow, until } from './followed-authority.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-sdk-tls-'))
const file = (name: string): string => join(folder, name)
let server: CertificateFiles
let [first, second]: readonly Certified[] = []

before(async () => {
  server = await writeCertificate(['localhost'])
  first = await makeCertificate({ name: [{ CN: ['Clients'] }], isAuthority: true })
  second = await makeCertificate({ name: [{ CN: ['Clients of next year'] }], isAuthority: true })
})
after(async () => {
  rmSync(folder, { recursive: true })
  await server[Symbol.asyncDispose]()
})

function writePair({ keyPem, pem }: Certified): void {
  writeFileSync(file('key.pem'), keyPem, { mode: 0o600 })
  writeFileSync(file('certificate.pem'), pem)
}

function certified(by: Certified | undefined): Promise<Certified> {
  return makeCertificate({ name: [{ CN: ['app'] }], by: by ?? assert.fail() })
}

interface World {
  readonly world: Followed
  readonly mutualTls: MutualTls
  readonly problems: readonly string[]
  /** Where certificates are asked for. */
  readonly asking: string
}

async function followed(): Promise<World> {
  writePair(await certified(first))
  writeFileSync(file('clients.pem'), first?.pem ?? '')
  const port = await freeRange(1)
  const asking = `https://localhost:${port}`
  const problems: string[] = []
  const mutualTls = createMutualTls({
    read: () => ({ key: readFileSync(file('key.pem')), cert: readFileSync(file('certificate.pem')), ca: readFileSync(server.authority) }),
    createSecureContext,
    request,
    onProblem: ({ code }) => void problems.push(code)
  })
  const world = await follow({
    scheme: 'https',
    mutualTls,
    fetch: mutualTls.fetch,
    connection: { authentication: 'tlsClientAuth', certificateSubject: { kind: 'dn', value: 'CN=app' }, sessionRevocation: true },
    configuration: (config) => ({
      ...config,
      server: {
        ...config.server,
        tls: server.tls,
        clientCertificates: { listen: [`127.0.0.1:${port}`], baseUrl: asking, authorities: file('clients.pem') }
      }
    })
  })
  return { world, mutualTls, problems, asking }
}

suite('RFC 8705: an application that proves itself by a certificate', { timeout: 120_000 }, () => {
  test('signs people in, follows the revocation feed and ends a session by the session management API', async () => {
    const { world, mutualTls, asking } = await followed()
    await using _ = world
    const [ana, ben] = [await world.signedIn('ana'), await world.signedIn('ben')]
    const id = /app_session=([^;]+)/.exec(ana.cookieFor(world.app))?.[1] ?? ''
    const sri = (await world.guard.sessions.get(id, Date.now()))?.sri
    const revoke = (origin: string) =>
      mutualTls.fetch(`${origin}/pf-ws/rest/sessionMgmt/revokedSris?client_id=app`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-xsrf-header': 'app' },
        body: JSON.stringify({ id: sri })
      })
    assert.equal((await revoke(world.issuer)).status, 401, 'where nobody asks for the certificate it proves nothing')
    assert.equal((await revoke(asking)).status, 201)
    await until('ana is signed out', async () => (await world.who(ana)) === '303')
    assert.deepEqual([await world.who(ben), world.problems()], ['ben', []])
  })

  test('takes a new pair over without a restart, and goes on under the former while a new one can not be used', async () => {
    const { world, problems } = await followed()
    await using _ = world
    const ana = await world.signedIn()
    await world.stopAuthority()
    // From now on the authority takes certificates of next year only.
    writeFileSync(file('clients.pem'), second?.pem ?? '')
    await world.startAuthority()
    await until('it is refused', async () => (await world.who(ana)) === '503')
    const next = await certified(second)
    writeFileSync(file('certificate.pem'), next.pem)
    await until('the pair that does not fit is told of', () => problems.length > 0)
    assert.deepEqual(problems, ['CURFEW_OIDC_CLIENT_CERTIFICATE'])
    writePair(next)
    await until('it is answered again', async () => (await world.who(ana)) === 'ana')
    await world.authority().endAll()
    await until('the end is heard of', async () => (await world.who(ana)) === '303')
    assert.deepEqual([problems.length, world.problems()], [1, ['CURFEW_FEED_UNREACHABLE']])
  })

  test('files that can not be used are an error at the start', async () => {
    writePair(await certified(first))
    copyFileSync(file('certificate.pem'), file('former.pem'))
    writePair(await certified(first))
    const open = (key: string, certificate: string) => () =>
      createMutualTls({ read: () => ({ key: readFileSync(file(key)), cert: readFileSync(file(certificate)) }), createSecureContext, request })
    assert.doesNotThrow(open('key.pem', 'certificate.pem'))
    for (const [key, certificate] of [
      ['none.pem', 'certificate.pem'],
      ['key.pem', 'former.pem'],
      ['certificate.pem', 'key.pem']
    ] as const)
      assert.throws(open(key, certificate), { code: 'CURFEW_OIDC_CLIENT_CERTIFICATE' })
  })
})
