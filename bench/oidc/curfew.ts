import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from '../../packages/curfew/src/cli/embed.ts'
import { silentLogger } from '../../packages/curfew/src/platform/logger.ts'
import { hashPassword } from '../../packages/curfew/src/platform/password.ts'
import { systemRandom } from '../../packages/curfew/src/platform/random.ts'
import { makeKeyPair } from '../../packages/curfew/test/authority/key-pairs.ts'
import { freePort } from './ports.ts'
import { clientId, clientSecret, exactMs, type ProviderUnderTest, redirectUri, type SignedOut } from './provider-under-test.ts'
import type { UserAgent } from './user-agent.ts'

export interface CurfewOptions {
  readonly store: 'sqlite' | 'memory'
  /** Back-channel address of each client. */
  readonly backChannelUris: readonly string[]
}

/** This product as its users run it, in this process. */
export async function startCurfew({ store, backChannelUris }: CurfewOptions): Promise<ProviderUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  await writeKeys(folder)
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const server = await createServer(
    {
      server: { baseUrl: issuer, listen: [`127.0.0.1:${port}`] },
      admin: { listen: ['127.0.0.1:0'], token: '0123456789abcdef' },
      store: { kind: store, file: 'data/curfew.db' },
      saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem', algorithm: 'ecdsa-sha256' }] },
      sessions: { secretFile: 'secret' },
      signOn: { users: 'users.yaml' },
      outbound: { allowPrivate: ['127.0.0.0/8'] },
      connections: backChannelUris.map((backChannelUri, i) => ({
        id: clientId(i),
        protocol: 'oidc' as const,
        clientSecret,
        redirectUris: [redirectUri],
        logout: { modes: ['backChannel' as const], backChannelUri }
      }))
    },
    { folder, logger: silentLogger }
  )
  await server.start()
  return {
    name: `curfew, ${store}`,
    issuer,
    paths: { authorization: '/as/authorization.oauth2', token: '/as/token.oauth2', introspection: '/as/introspect.oauth2' },
    signIn: (agent) => signIn(issuer, agent),
    signOut: (agent) => signOut(issuer, agent),
    async [Symbol.asyncDispose]() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

async function writeKeys(folder: string): Promise<void> {
  const pair = makeKeyPair('curfew')
  writeFileSync(join(folder, 'key.pem'), pair.key.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(folder, 'cert.pem'), pair.certificatePem)
  writeFileSync(join(folder, 'secret'), Buffer.from(systemRandom.bytes(32)).toString('base64'))
  const password = await hashPassword('ana', systemRandom)
  writeFileSync(
    join(folder, 'users.yaml'),
    JSON.stringify({ users: [{ username: 'ana', password, attributes: { mail: 'ana@example.org', displayName: 'Ana' } }] })
  )
}

async function signIn(issuer: string, agent: UserAgent): Promise<void> {
  const page = await agent.follow(`${issuer}/`, issuer.replace('http', 'never'))
  const action = /<form method="post" action="([^"]+)"/.exec(page.body)?.[1] ?? ''
  const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
  const answer = await agent.post(new URL(action, page.url).href, { csrfToken, username: 'ana', password: 'ana' })
  if (answer.status !== 303) throw new Error(`the sign-in was answered with ${answer.status}: ${answer.body.slice(0, 300)}`)
  await agent.get(new URL(answer.location, issuer).href)
}

async function signOut(issuer: string, agent: UserAgent): Promise<SignedOut> {
  const page = await agent.get(`${issuer}/signoff`)
  const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
  const pressedAtMs = exactMs()
  const answer = await agent.post(`${issuer}/signoff`, { csrfToken, choice: 'everywhere' })
  const answeredAtMs = exactMs()
  if (answer.status !== 303) throw new Error(`the sign-out was answered with ${answer.status}: ${answer.body.slice(0, 300)}`)
  agent.cookies.clear()
  return { pressedAtMs, answeredAtMs }
}
