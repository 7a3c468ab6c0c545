import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CurfewError } from '@curfew/codecs'
import { requireConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { type AdminClient, type ClientOptions, createAdminClient, readToken } from './client.ts'
import { type CommandContext, configPath, serverDefault } from './context.ts'

/**
 * Connects to the admin API that the flags or the configuration name.
 * @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_INVALID, CURFEW_CLI_SERVER_ADDRESS, CURFEW_CLI_TOKEN_NEEDED
 */
export function connect(context: CommandContext): AdminClient {
  return createAdminClient(adminAccess(context))
}

/**
 * Where the admin API is and what opens it. A token that was given (`--token-file`, else `CURFEW_ADMIN_TOKEN`) goes
 * wherever `--server` says; the one of a configuration goes to the admin addresses of that configuration and to nobody
 * else. A configuration that is needed and has findings is not passed over.
 */
export function adminAccess(context: CommandContext): ClientOptions {
  const { options, environment } = context
  const token = givenToken(context)
  const wanted = options.server === undefined ? undefined : serverAddress(options.server)
  if (wanted !== undefined && token !== undefined) return { server: wanted, token }
  const path = configPath(context)
  const config = options.config !== undefined || existsSync(path) ? requireConfig(path, { environment }).config : undefined
  const own = ownAddresses(config)
  const server = wanted ?? own[0] ?? serverDefault
  if (token !== undefined) return { server, token }
  if (!own.includes(server)) throw new CurfewError('CURFEW_CLI_TOKEN_NEEDED', { server, own: own.join(', ') })
  return { server, token: config?.admin.token ?? readToken(config?.admin.tokenFile ?? resolve(dirname(path), 'data/admin.token')) }
}

/** The token of `--token-file`, else the one in the environment. */
function givenToken({ options, environment }: CommandContext): string | undefined {
  if (options.tokenFile !== undefined) return readToken(options.tokenFile)
  const { CURFEW_ADMIN_TOKEN: given = '' } = environment
  return given.trim() === '' ? undefined : given.trim()
}

/** `--server`, perhaps with the folder that a proxy puts the API into. @throws CURFEW_CLI_SERVER_ADDRESS */
function serverAddress(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '')
    throw new CurfewError('CURFEW_CLI_SERVER_ADDRESS', { server: url === null ? text : url.host + url.pathname })
  return url.origin + url.pathname.replace(/\/+$/, '')
}

/** Where the admin API of a configuration is reached from this machine, in the order of `admin.listen`. */
function ownAddresses(config: Pick<Config, 'admin'> | undefined): readonly string[] {
  if (config === undefined) return [serverDefault]
  return config.admin.listen.flatMap((listen) => {
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(listen) ?? []
    const hosts = isEveryAddress(host) ? ['127.0.0.1', '[::1]'] : [host]
    return hosts.flatMap((one) => URL.parse(`http://${one}:${port}`)?.origin ?? [])
  })
}

function isEveryAddress(host: string): boolean {
  return host === '*' || host === '0.0.0.0' || host === '[::]'
}
