import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { type AdminClient, createAdminClient, readToken } from './client.ts'
import { type CommandContext, configPath, serverDefault } from './context.ts'

/** Connects to the admin API that the flags or the configuration name. @throws CURFEW_CONFIG_FILE */
export function connect(context: CommandContext): AdminClient {
  const { options, environment } = context
  const path = configPath(context)
  const loaded = existsSync(path) ? loadConfig(path, { environment }) : undefined
  const config = loaded?.ok === true ? loaded.loaded.config : undefined
  const server = options.server ?? (config?.admin.listen[0] === undefined ? serverDefault : `http://${config.admin.listen[0].replace(/^\*/, '127.0.0.1')}`)
  const tokenFile = options.tokenFile ?? config?.admin.tokenFile ?? resolve(dirname(path), 'data/admin.token')
  return createAdminClient({ server, token: config?.admin.token ?? readToken(tokenFile) })
}
