import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientSecret } from '../packages/curfew/test/gateway/kit.ts'
import { findProgram } from '../tools/system-deps.ts'

const modules = '/usr/lib/apache2/modules'

/** Apache with mod_auth_openidc in front of an application: its files, and how it is started. */
export const openidcFolder = {
  program: '/usr/sbin/apache2',

  /** Why it can't be started here. */
  missing(): string | undefined {
    if (findProgram(['nginx']) === undefined) return 'nginx is not installed'
    return existsSync(`${modules}/mod_auth_openidc.so`) ? undefined : 'libapache2-mod-auth-openidc is not installed'
  },

  async create(wish: { readonly port: number; readonly site: string; readonly target: string; readonly issuer: string }) {
    const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-apache-'))
    await writeFile(join(folder, 'httpd.conf'), configuration(folder, wish))
    // Apache lets go of root.
    if (process.getuid?.() === 0) spawnSync('chown', ['-R', 'www-data:www-data', folder])
    return {
      args: ['-DFOREGROUND', '-f', join(folder, 'httpd.conf')],
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true })
    }
  }
}

function configuration(folder: string, { port, site, target, issuer }: Parameters<typeof openidcFolder.create>[0]): string {
  const load = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'proxy', 'proxy_http', 'auth_openidc']
  const user = process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''
  return `ServerRoot ${folder}
ServerName ${site}
UseCanonicalName On
Listen 127.0.0.1:${port}
PidFile ${folder}/httpd.pid
Mutex file:${folder} default
ErrorLog ${folder}/error.log
LogLevel error
DocumentRoot ${folder}
${load.map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`).join('\n')}
${user}
StartServers 1
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
MaxKeepAliveRequests 0
OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration
OIDCClientID gate
OIDCClientSecret "${clientSecret}"
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI ${site}/redirect_uri
OIDCCryptoPassphrase "a passphrase that is long enough"
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCSessionType server-cache
OIDCCacheType shm
OIDCRemoteUserClaim sub
<Location />
  AuthType openid-connect
  Require valid-user
  ProxyPass ${target}/ keepalive=On
</Location>
`
}
