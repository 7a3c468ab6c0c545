import { createServer } from 'node:http'
import { Registry } from '@prometheus-io/client'
import { destination } from 'pino'
import { findingText } from '../../config/finding.ts'
import { loadGatewayConfig } from '../../config/load.ts'
import { createLogger } from '../../platform/logger.ts'
import { brandProblems } from '../brand-findings.ts'
import { composeGateway } from '../compose-gateway.ts'
import { readSecret } from '../key-files.ts'
import { hostPort } from '../listen.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { gatewaySettings } from '../gateway-settings.ts'
import { aligned } from '../table.ts'
import { untilStopped } from '../until-stopped.ts'
import { version } from '../version.ts'

/** `curfew gateway`: a gateway of its own, without an authority in the same process. */
export async function gateway(context: CommandContext): Promise<ExitCode> {
  const { terminal, options, environment } = context
  const file = configPath(context)
  const result = loadGatewayConfig(file, { environment, brandProblems })
  if (!result.ok) {
    if (!printJson(context, result.findings)) for (const finding of result.findings) terminal.error(findingText(finding))
    return exitCode.configuration
  }
  const { config, whole } = result
  const logger = createLogger({ level: options.verbose === true ? 'debug' : config.logging.level }, destination({ dest: 2, sync: true }))
  const registry = new Registry()
  const settings = gatewaySettings(config.gateway, whole)
  const secret = readSecret(config.gateway.secretFile ?? whole?.sessions.secretFile ?? '')
  const composed = composeGateway({ config: config.gateway, settings, secret, outbound: config.outbound, brand: config.brand, logger, registry })
  await composed.start()
  const stopMetrics = await serveMetrics(config.gateway.metricsListen, registry)
  if (terminal.isInteractive) {
    terminal.note(`\n  Curfew gateway ${version}\n`)
    const rows = settings.applications.map(({ id, origins, contextRoot }): [string, string] => [
      id,
      `${origins.join(', ')}${contextRoot === '/' ? '' : contextRoot}`
    ])
    for (const line of aligned([...rows, ['Provider', settings.provider.issuer], ['Config', file], ['Stop', 'Ctrl+C']])) terminal.note(line)
  } else logger.info({ event: 'gateway.ready', version, applications: settings.applications.length, issuer: settings.provider.issuer }, 'ready')
  await untilStopped()
  await stopMetrics()
  await composed.stop()
  logger.info({ event: 'gateway.stopped' }, 'stopped')
  return exitCode.done
}

async function serveMetrics(address: string | undefined, registry: Registry): Promise<() => Promise<void>> {
  if (address === undefined) return async () => undefined
  const { host, port } = hostPort(address)
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end()
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end()
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
}
