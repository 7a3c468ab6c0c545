import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { writeInstallation } from '../packages/curfew/src/cli/commands/init.ts'
import { controllerAddress } from './net.ts'

/** Keys and secrets that all nodes share, and the applications that they sign people out of. */
export interface Setup {
  readonly folder: string
  /** Writes the configuration of one node; returns the file. */
  configFor(name: string, more: object): string
  /** Logout tokens that each application got, by `sid`. */
  readonly told: ReadonlyMap<string, number>
  close(): Promise<void>
}

export const applications = ['wiki', 'chat'] as const
const applicationsPort = 7_000

export async function createSetup(): Promise<Setup> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-faults-'))
  await writeInstallation(folder, { baseUrl: 'http://curfew.localhost:8080', organisation: 'Faults', user: 'ana', password: 'ana' })
  const told = new Map<string, number>()
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const sid = sidOf(body)
      if (sid !== undefined) told.set(sid, (told.get(sid) ?? 0) + 1)
      response.writeHead(sid === undefined ? 400 : 200, { 'cache-control': 'no-store' }).end()
    })
  })
  server.keepAliveTimeout = 60_000
  server.listen(applicationsPort)
  await once(server, 'listening')
  let port = 8_100
  return {
    folder,
    told,
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

/** What a logout token says which session has ended; the signature is the product's own business and not judged here. */
function sidOf(body: string): string | undefined {
  const [, claims = ''] = (new URLSearchParams(body).get('logout_token') ?? '').split('.')
  try {
    const { sid } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { readonly sid?: unknown }
    return typeof sid === 'string' ? sid : undefined
  } catch {
    return undefined
  }
}
