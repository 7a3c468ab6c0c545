import { destination } from 'pino'
import { createLogger } from '../../platform/logger.ts'
import { compose } from '../compose.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { nodeName } from '../open-store.ts'
import { aligned } from '../table.ts'
import { untilStopped } from '../until-stopped.ts'
import { version } from '../version.ts'
import { loadOrReport } from './validate.ts'

/** `curfew start`: runs until it is told to stop. */
export async function start(context: CommandContext): Promise<ExitCode> {
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const { config, file } = loaded
  const { terminal, options } = context
  const logger = createLogger({ level: options.verbose === true ? 'debug' : config.logging.level }, destination({ dest: 2, sync: true }))
  const server = await compose(loaded, logger)
  await server.start()
  const count = config.connections.length
  if (terminal.isInteractive) {
    terminal.note(`\n  Curfew ${version}\n`)
    for (const line of aligned([
      ['Sign in', `${config.server.baseUrl}/`],
      ['Admin API', `http://${config.admin.listen[0] ?? ''}/v1         token in ${config.admin.tokenFile ?? ''}`],
      ['Metrics', `http://${config.admin.listen[0] ?? ''}/metrics`],
      ['Config', `${file} (${count} ${count === 1 ? 'connection' : 'connections'})`],
      ['Store', `${config.store.kind} ${config.store.kind === 'sqlite' ? config.store.file : (config.store.redis?.topology ?? '')}`],
      ['Cluster', config.store.kind === 'redis' ? `node ${nodeName(config)}` : 'single node'],
      ['Stop', 'Ctrl+C']
    ])) {
      terminal.note(line)
    }
  } else logger.info({ event: 'server.ready', version, baseUrl: config.server.baseUrl, connections: count }, 'ready')
  // A terminal that is closed stops the server, a service manager that hangs up has certificates read again.
  const hasFiles = config.server.tls !== undefined || config.server.clientCertificates?.authorities !== undefined
  await untilStopped(hasFiles && !terminal.isInteractive ? () => server.reloadCertificates() : undefined)
  await server.stop()
  logger.info({ event: 'server.stopped' }, 'stopped')
  return exitCode.done
}
