import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { openBackChannel } from '../../src/cli/back-channel-setup.ts'
import { type Certified, makeCertificate } from '../support/certificates.ts'
import { startNginx } from '../support/nginx.ts'
import { freeRange } from '../support/ports.ts'
import { startTinyproxy } from '../support/tinyproxy.ts'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions } from './kit.ts'
import { Visitor } from './visitor.ts'

type BackChannel = NonNullable<NonNullable<GatewayKitOptions['provider']>['backChannel']>

const unfed = { sessionCheck: { feed: false, status: true, statusCacheSeconds: 0 } }

let folder: string
let authorityFile: string
let ours: Certified
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'curfew-back-channel-'))
  const authority = await makeCertificate({ name: [{ CN: ['Own authority'] }], isAuthority: true })
  ours = await makeCertificate({ name: [{ CN: ['sso'] }], alternative: [{ type: 'dns', value: 'sso.example.org' }], by: authority })
  authorityFile = join(folder, 'authority.pem')
  await writeFile(authorityFile, authority.pem)
})
after(() => rm(folder, { recursive: true }))

/** The authority again, behind nginx by TLS at an address, below `/inner`, under a name that is not that of the address. */
async function withInnerServer(back: (server: string) => BackChannel, run: (kit: GatewayKit, asked: () => readonly string[]) => Promise<void>): Promise<void> {
  const port = await freeRange(1)
  await using stack = new AsyncDisposableStack()
  let asked = (): readonly string[] => []
  const kit = await createGatewayKit({
    gateway: unfed,
    provider: { backChannel: back(`https://127.0.0.1:${port}`) },
    async beforeGateway(issuer) {
      const nginx = stack.use(
        await startNginx(
          `log_format asked '$request_uri'; 
server { access_log FOLDER/asked asked; listen 127.0.0.1:${port} ssl; ssl_certificate FOLDER/cert.pem; ssl_certificate_key FOLDER/key.pem;
  location /inner/ { proxy_pass http://127.0.0.1:${new URL(issuer).port}/; } }`,
          port,
          { 'cert.pem': ours.pem, 'key.pem': ours.keyPem }
        )
      )
      asked = () => nginx.linesOf('asked')
    }
  })
  stack.use(kit)
  await run(kit, asked)
}

async function firstPage(kit: GatewayKit): Promise<number> {
  return (await new Visitor().open(`${kit.wiki}/notes`)).status
}

suite('How a gateway reaches its provider', () => {
  test('AC-087 the back channel has servers, a base path and an expected name of its own, and the browser never sees them', () =>
    withInnerServer(
      (server) => ({ servers: [server], basePath: '/inner', expectedHostname: 'sso.example.org', trustedCertificates: authorityFile }),
      async (kit, asked) => {
        assert.equal(await firstPage(kit), 200)
        assert.ok(
          asked().some((path) => path.startsWith('/inner/pf-ws/rest/sessionMgmt/revokedSris/')),
          asked().join(' ')
        )
        const paths = asked().map((path) => path.split('?')[0] ?? '')
        for (const path of ['/.well-known/openid-configuration', '/as/token.oauth2', '/pf/JWKS', '/idp/userinfo.openid'])
          assert.ok(paths.includes(`/inner${path}`), `${path}: ${paths.join(' ')}`)
        assert.ok(paths.every((path) => path.startsWith('/inner/')))
      }
    ))

  for (const [name, settings, status] of [
    ['AC-087 another name than the expected is refused', { expectedHostname: 'other.example.org' }, 503],
    ['AC-087 without an expected name the certificate has to name the address', {}, 503],
    ['AC-087 skipHostnameVerification takes any name of the own authority', { skipHostnameVerification: true }, 200],
    ['AC-087 an expected name counts although skipHostnameVerification is on', { skipHostnameVerification: true, expectedHostname: 'other.example.org' }, 503]
  ] as const)
    test(name, () =>
      withInnerServer(
        (server) => ({ servers: [server], basePath: '/inner', trustedCertificates: authorityFile, ...settings }),
        async (kit) => assert.equal(await firstPage(kit), status)
      )
    )

  test('AC-087 skipHostnameVerification never makes up for a certificate of somebody else', async () => {
    const others = await makeCertificate({ name: [{ CN: ['Another authority'] }], isAuthority: true })
    const file = join(folder, 'others.pem')
    await writeFile(file, others.pem)
    await withInnerServer(
      (server) => ({ servers: [server], basePath: '/inner', trustedCertificates: file, skipHostnameVerification: true }),
      async (kit) => assert.equal(await firstPage(kit), 503)
    )
  })

  test('AC-087 skipHostnameVerification is refused for authorities that the public trusts, and without any', async () => {
    const publicFile = join(folder, 'public.pem')
    await writeFile(publicFile, `${rootCertificates[0] ?? ''}\n${readFileSync(authorityFile, 'utf8')}`)
    const open = (settings: object) =>
      openBackChannel({ servers: [], skipHostnameVerification: true, ...settings }, 'https://login.example.org', { allowPrivate: [], hosts: {}, perPeerMax: 4 })
    for (const settings of [{ trustedCertificates: publicFile }, {}]) assert.throws(() => open(settings), { code: 'CURFEW_CONFIG_HOSTNAME_UNVERIFIED' })
    await open({ trustedCertificates: authorityFile }).close()
  })

  test('AC-087 every request to the provider goes through the proxy, with its name and password', async () => {
    const [port, closed] = [await freeRange(1), await freeRange(1)]
    await using proxy = await startTinyproxy(port, 'let-me-out')
    const url = `http://127.0.0.1:${port}`
    // The proxy looks names up by itself, and not every system knows those below localhost.
    const servers = ['AUTHORITY']
    await using kit = await createGatewayKit({
      gateway: unfed,
      provider: { backChannel: { servers, proxy: { url, username: 'curfew', password: 'let-me-out' } } }
    })
    assert.equal(await firstPage(kit), 200)
    assert.match(await proxy.log(), /openid-configuration/)
    assert.match(await proxy.log(), /\/as\/token\.oauth2/)
    await using refused = await createGatewayKit({
      gateway: unfed,
      provider: { backChannel: { servers, proxy: { url, username: 'curfew', password: 'let-me-in' } } }
    })
    assert.equal(await firstPage(refused), 503)
    await using none = await createGatewayKit({ gateway: unfed, provider: { backChannel: { servers, proxy: { url: `http://127.0.0.1:${closed}` } } } })
    assert.equal(await firstPage(none), 503)
  })

  test('AC-087 TLS goes through the proxy unopened, and the expected name counts there, too', async () => {
    const port = await freeRange(1)
    await using proxy = await startTinyproxy(port, 'let-me-out')
    const way = {
      basePath: '/inner',
      trustedCertificates: authorityFile,
      proxy: { url: `http://127.0.0.1:${port}`, username: 'curfew', password: 'let-me-out' }
    }
    const expecting = (expectedHostname: string, status: number) =>
      withInnerServer(
        (server) => ({ ...way, servers: [server], expectedHostname }),
        async (kit) => assert.equal(await firstPage(kit), status)
      )
    await expecting('sso.example.org', 200)
    await expecting('other.example.org', 503)
    assert.match(await proxy.log(), /CONNECT 127\.0\.0\.1/)
  })

  test('AC-087 a server that can not be connected to is left for the next one', async () => {
    const closed = await freeRange(1)
    await withInnerServer(
      (server) => ({
        servers: [`https://127.0.0.1:${closed}`, server],
        basePath: '/inner',
        expectedHostname: 'sso.example.org',
        trustedCertificates: authorityFile
      }),
      async (kit) => assert.equal(await firstPage(kit), 200)
    )
  })
})
