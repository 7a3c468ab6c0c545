import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type DemoApplications, startDemoApplications } from '../../../../demo/start.ts'
import { demoMetadata, logoutPaths } from '../../src/cli/demo-metadata.ts'
import { writeInstallation } from '../../src/cli/commands/init.ts'
import { createSelfSigned } from '../../src/platform/certificate.ts'
import { systemRandom } from '../../src/platform/random.ts'

/** A folder with keys and users of its own, and the demo applications around it; the servers are the caller's. */
export interface Installation {
  readonly applications: DemoApplications
  /** Writes the configuration of one server that listens at `port`, its admin API one above; returns the file. Connections are added to those of the applications. */
  configFor(name: string, port: number, more?: { readonly connections?: readonly object[]; readonly [section: string]: unknown }): string
  /** A request to the admin API of a server. */
  ask(adminUrl: string, path: string, body?: object): Promise<Response>
}

/** @param basePort - first of some thirty free ports for the applications */
export async function install(folder: string, baseUrl: string, basePort: number): Promise<Installation> {
  await writeInstallation(folder, { baseUrl, organisation: 'Test', user: 'ana', password: 'ana' })
  const applications = await startDemoApplications({
    basePort,
    identityProviderMetadata: demoMetadata(folder, baseUrl),
    pingOneMetadata: demoMetadata(folder, baseUrl, logoutPaths.pingOne),
    credentials: (id) => createSelfSigned(id, { fromMs: Date.now(), days: 30 }, systemRandom),
    issuer: baseUrl,
    clientSecret: () => 'a secret that is long enough',
    legacyFault: 'none'
  })
  mkdirSync(join(folder, 'peers'), { recursive: true })
  const all = applications.applications
  for (const { id, connection } of all) if (connection.protocol === 'saml') writeFileSync(join(folder, 'peers', `${id}.xml`), connection.metadata)
  return {
    applications,
    configFor(name, port, { connections = [], ...more } = {}) {
      const config = {
        server: { baseUrl, listen: [`127.0.0.1:${port}`] },
        admin: { listen: [`127.0.0.1:${port + 1}`] },
        saml: { keys: [{ key: 'keys/saml.key.pem', certificate: 'keys/saml.crt.pem' }] },
        sessions: { secretFile: 'keys/session.secret' },
        signOn: { users: 'users.yaml' },
        outbound: { allowPrivate: ['127.0.0.0/8'] },
        connections: [
          ...all.map(({ id, url, connection }) => ({
            id,
            homeUrl: `${url}/`,
            ...(connection.protocol === 'saml' ? { protocol: 'saml', metadata: { file: `peers/${id}.xml` }, nameId: { format: 'persistent' } } : connection)
          })),
          ...connections
        ],
        ...more
      }
      const file = join(folder, `${name}.yaml`)
      writeFileSync(file, stringify(config))
      return file
    },
    ask(adminUrl, path, body) {
      const authorization = `Bearer ${readFileSync(join(folder, 'data/admin.token'), 'utf8').trim()}`
      const posted = { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body) }
      return fetch(adminUrl + path, body === undefined ? { headers: { authorization } } : posted)
    }
  }
}
