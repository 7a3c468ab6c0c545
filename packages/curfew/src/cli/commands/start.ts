import { availableParallelism } from 'node:os'
import { CurfewError } from '@curfew/codecs'
import { destination } from 'pino'
import type { LoadedConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { createLogger, type Logger } from '../../platform/logger.ts'
import { compose } from '../compose.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { nodeName } from '../open-store.ts'
import { aligned } from '../table.ts'
import { untilStopped } from '../until-stopped.ts'
import { version } from '../version.ts'
import { superviseWorkers } from '../workers/supervisor.ts'
import { createWorkerLink, type WorkerLink, workerNumber } from '../workers/worker-link.ts'
import { loadOrReport } from './validate.ts'

export interface StartOptions {
  /** Processes that share the listeners; `auto`: one for each core. */
  readonly workers?: number | 'auto'
}

/** `curfew start`: runs until it is told to stop. */
export async function start(context: CommandContext, { workers: wanted }: StartOptions = {}): Promise<ExitCode> {
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const number = workerNumber(context.environment)
  const count = wanted === undefined ? 1 : wanted === 'auto' ? availableParallelism() : wanted
  if (number === undefined && count > 1) return startWorkers(context, loaded, count)
  return startOne(context, number === undefined ? loaded : asWorker(loaded, number), number === undefined ? undefined : createWorkerLink(number))
}

/** Every worker is a node of its own, named after the one that they are together. */
function asWorker(loaded: LoadedConfig, number: number): LoadedConfig {
  const { config } = loaded
  return { ...loaded, config: { ...config, cluster: { ...config.cluster, node: `${nodeName(config)}/${number}` } } }
}

async function startWorkers(context: CommandContext, { config }: LoadedConfig, count: number): Promise<ExitCode> {
  if (config.store.kind !== 'redis') throw new CurfewError('CURFEW_CLI_WORKERS_STORE', { kind: config.store.kind, workers: count })
  const logger = loggerOf(context, config)
  return superviseWorkers({
    count,
    logger,
    untilStopped: (onHangUp) => untilStopped(readsFiles(context, config) ? onHangUp : undefined),
    onReady: () =>
      logger.info({ event: 'server.ready', version, baseUrl: config.server.baseUrl, connections: config.connections.length, workers: count }, 'ready')
  })
}

function loggerOf({ options }: CommandContext, config: Config): Logger {
  return createLogger({ level: options.verbose === true ? 'debug' : config.logging.level }, destination({ dest: 2, sync: true }))
}

/** A terminal that is closed stops the server, a service manager that hangs up has certificates read again. */
function readsFiles({ terminal }: CommandContext, { server }: Config): boolean {
  return (server.tls !== undefined || server.clientCertificates?.authorities !== undefined) && !terminal.isInteractive
}

/** What a person wants to know of a server that is ready. */
export function readyLines({ server, admin, connections, store, cluster }: Config, file: string): readonly string[] {
  const count = connections.length
  const token = admin.token === undefined ? `token in ${admin.tokenFile ?? ''}` : 'token as in admin.token'
  return aligned([
    ['Sign in', `${server.baseUrl}/`],
    ['Admin API', `http://${admin.listen[0] ?? ''}/v1         ${token}`],
    ['Metrics', `http://${admin.listen[0] ?? ''}/metrics`],
    ['Config', `${file} (${count} ${count === 1 ? 'connection' : 'connections'})`],
    ['Store', `${store.kind} ${store.kind === 'sqlite' ? store.file : (store.redis?.topology ?? '')}`],
    ['Cluster', store.kind === 'redis' ? `node ${nodeName({ cluster, server })}` : 'single node'],
    ['Stop', 'Ctrl+C']
  ])
}

async function startOne(context: CommandContext, loaded: LoadedConfig, worker: WorkerLink | undefined): Promise<ExitCode> {
  const { config, file } = loaded
  const { terminal } = context
  const logger = loggerOf(context, config)
  const server = await compose(loaded, logger, worker)
  await server.start()
  worker?.ready()
  const count = config.connections.length
  if (worker !== undefined) logger.info({ event: 'worker.ready', worker: worker.number }, 'ready')
  else if (terminal.isInteractive) {
    terminal.note(`\n  Curfew ${version}\n`)
    for (const line of readyLines(config, file)) terminal.note(line)
  } else logger.info({ event: 'server.ready', version, baseUrl: config.server.baseUrl, connections: count }, 'ready')
  const unfit = await Promise.race([untilStopped(readsFiles(context, config) ? () => server.reloadCertificates() : undefined), server.unfit])
  await server.stop()
  logger.info({ event: 'server.stopped' }, 'stopped')
  if (unfit === undefined) return exitCode.done
  return unfit.code === 'CURFEW_STORE_SCHEMA_NEWER' ? exitCode.configuration : exitCode.failed
}
