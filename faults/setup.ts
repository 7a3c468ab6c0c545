import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { writeInstallation } from '../packages/curfew/src/cli/commands/init.ts'
import { createJournal, type Journal } from './journal.ts'
import { controllerAddress } from './net.ts'

/** Keys and secrets that all nodes share, and the applications that they sign people out of. */
export interface Setup {
  readonly folder: string
  /** Writes the configuration of one node; returns the file. */
  configFor(name: string, more: object): string
  /** Logout tokens that each application got. */
  readonly journal: Journal
  close(): Promise<void>
}

export const applications = ['wiki', 'chat'] as const
const applicationsPort = 7_000

export async function createSetup(): Promise<Setup> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-faults-'))
  await writeInstallation(folder, { baseUrl: 'http://curfew.localhost:8080', organisation: 'Faults', user: 'ana', password: 'ana' })
  const journal = createJournal()
  const server = createServer((request, response) => {
    const atMs = Date.now()
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const token = readToken(body)
      if (token !== undefined) journal.write(request.url?.slice(1) ?? '', token.sid, { atMs, madeAtMs: token.iat * 1_000, messageId: token.jti })
      response.writeHead(token === undefined ? 400 : 200, { 'cache-control': 'no-store' }).end()
    })
  })
  server.keepAliveTimeout = 60_000
  server.listen(applicationsPort)
  await once(server, 'listening')
  let port = 8_100
  return {
    folder,
    journal,
    configFor(name, more) {
      port += 2
      const file = join(folder, `${name}.yaml`)
      const config = {
        server: { baseUrl: 'http://curfew.localhost:8080', listen: [`127.0.0.1:${port}`] },
        admin: { listen: [`127.0.0.1:${port + 1}`] },
        saml: { keys: [{ key: 'keys/saml.key.pem', certificate: 'keys/saml.crt.pem' }] },
        sessions: { secretFile: 'keys/session.secret' },
        signOn: { users: 'users.yaml' },
        connections: applications.map((id) => ({
          id,
          protocol: 'oidc',
          clientSecret: 'a secret that is long enough',
          redirectUris: [`http://${id}.localhost:${applicationsPort}/cb`],
          logout: { modes: ['backChannel'], backChannelUri: `http://apps.localhost:${applicationsPort}/${id}` }
        })),
        ...more
      }
      writeFileSync(file, stringify(config))
      return file
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** How nodes reach the applications, and each other's groups by the name of the group. */
export function outboundTo(groups: Readonly<Record<string, string>> = {}): object {
  const hosts = Object.fromEntries(Object.entries(groups).map(([id, address]) => [`${id}.localhost`, address]))
  return { allowPrivate: ['127.0.0.0/8', '10.77.0.0/16'], hosts: { 'apps.localhost': controllerAddress, ...hosts } }
}

/** Which session has ended, as a logout token says, its own name and when it was made; the signature is the product's own business and not judged here. */
function readToken(body: string): { readonly sid: string; readonly jti: string; readonly iat: number } | undefined {
  const [, claims = ''] = (new URLSearchParams(body).get('logout_token') ?? '').split('.')
  try {
    const { sid, jti, iat } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Readonly<Record<string, unknown>>
    return typeof sid === 'string' && typeof jti === 'string' && typeof iat === 'number' ? { sid, jti, iat } : undefined
  } catch {
    return undefined
  }
}
