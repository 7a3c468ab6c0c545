import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { createLogger } from '../../platform/logger.ts'
import { loadConfig } from '../../config/load.ts'
import { compose, type Composition } from '../compose.ts'
import { type CommandContext, demoFolder } from '../context.ts'
import { campusUrl, campusUser, prepareCampus, startCampus } from '../demo-campus.ts'
import { demoCheck } from '../demo-check.ts'
import { demoSettings, prepareDemo, type RunningApplications, startApplications } from '../demo-installation.ts'
import { demoMetadata, listenAt } from '../demo-metadata.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { untilStopped } from '../until-stopped.ts'
import { version } from '../version.ts'

export interface DemoOptions {
  readonly port?: number
  readonly open?: boolean
  readonly hostsLine?: boolean
  readonly once?: boolean
  /** With either of them, several nodes on real servers: {@link demoCluster}. */
  readonly regions?: number
  readonly nodes?: number
}

interface RunningDemo {
  readonly server: Composition
  /** The identity provider upstream. */
  readonly campus: Composition
  readonly applications: RunningApplications
  readonly baseUrl: string
  readonly adminUrl: string
  readonly campusUrl: string
}

/** `curfew demo`: an authority, an identity provider upstream and nine applications on this machine; nothing leaves it. */
export async function demo(context: CommandContext, options: DemoOptions): Promise<ExitCode> {
  const { terminal } = context
  if (options.hostsLine === true) {
    terminal.out(
      '127.0.0.1 curfew.localhost campus.localhost payroll.localhost intranet.localhost legacy.localhost wiki.localhost chat.localhost forms.localhost device.localhost timesheet.localhost board.localhost'
    )
    return exitCode.done
  }
  const port = options.port ?? 4600
  if (options.regions !== undefined || options.nodes !== undefined) return (await import('./demo-cluster.ts')).demoCluster(context, { ...options, port })
  const running = await startDemo(context, port)
  printDemo(context, running)
  if (options.once === true) {
    const isGood = await demoCheck(terminal, {
      baseUrl: running.baseUrl,
      campusUrl: running.campusUrl,
      board: running.applications.board,
      applications: running.applications.applications.map(({ id, name, url, journal, keepsAccess }) => ({
        id,
        name,
        url,
        journal,
        ...(keepsAccess === undefined ? {} : { keepsAccess })
      }))
    })
    await stopDemo(running)
    return isGood ? exitCode.done : exitCode.failed
  }
  if (options.open === true) await openBrowser(`${running.baseUrl}/`)
  await untilStopped()
  terminal.note('\n  Stopping.')
  await stopDemo(running)
  return exitCode.done
}

async function stopDemo({ server, campus, applications }: RunningDemo): Promise<void> {
  await applications.close()
  await Promise.all([server.stop(), campus.stop()])
}

async function startDemo(context: CommandContext, port: number): Promise<RunningDemo> {
  const folder = resolve(demoFolder)
  const baseUrl = `http://curfew.localhost:${port}`
  const campusAt = { folder: join(folder, 'campus'), port: port + 2, adminPort: port + 3 }
  const [campusMetadata] = await Promise.all([prepareCampus(campusAt.folder, campusAt.port), prepareDemo(folder, baseUrl)])
  writeFileSync(join(folder, 'peers/campus.xml'), campusMetadata)
  const applications = await startApplications(folder, baseUrl, port + 10)
  const config = join(folder, 'curfew.yaml')
  const previous = existsSync(config) ? readFileSync(config) : undefined
  try {
    writeDemoConfig(folder, port, applications)
    const result = loadConfig(config, { environment: context.environment })
    if (!result.ok) throw new Error(`the demo made a configuration that can not be used: ${JSON.stringify(result.findings)}`)
    const logger = createLogger({ level: context.options.verbose === true ? 'debug' : 'silent' })
    const server = await compose(result.loaded, logger)
    const hub = { baseUrl, metadata: demoMetadata(folder, baseUrl) }
    const [, campus] = await allOrNone([
      server.start().then(() => server),
      startCampus({ ...campusAt, hosts: applications.hosts, hub, environment: context.environment, logger })
    ])
    writeFileSync(join(folder, 'control.url'), `${applications.controlUrl}\n`)
    return { server, campus, applications, baseUrl, adminUrl: `http://127.0.0.1:${port + 1}`, campusUrl: campusUrl(campusAt.port) }
  } catch (error) {
    await applications.close()
    // A demo that runs in this folder already goes on with its own configuration.
    if (previous !== undefined) writeFileSync(config, previous, { mode: 0o600 })
    throw error
  }
}

/** Two servers that start together: where one can not, the other is stopped. */
async function allOrNone(starting: readonly [Promise<Composition>, Promise<Composition>]): Promise<readonly [Composition, Composition]> {
  try {
    return await Promise.all(starting)
  } catch (error) {
    for (const one of await Promise.allSettled(starting)) if (one.status === 'fulfilled') await one.value.stop()
    throw error
  }
}

function writeDemoConfig(folder: string, port: number, running: RunningApplications): void {
  const { board, hosts } = running
  const { connections, ...settings } = demoSettings(running)
  const config = {
    server: { baseUrl: `http://curfew.localhost:${port}`, listen: listenAt(hosts, port) },
    admin: { listen: [`127.0.0.1:${port + 1}`], tokenFile: '../demo.token' },
    ...settings,
    connections: [...connections, gatewayConnection(board)],
    identityProviders: [
      { id: 'campus', name: 'Campus', protocol: 'saml', metadata: { file: 'peers/campus.xml' }, username: 'uid', attributes: { mail: 'mail' } }
    ],
    gateway: {
      listen: listenAt(hosts, Number(new URL(board.url).port)),
      provider: { clientId: board.id },
      webSessions: [{ name: 'demo', audience: 'demo' }],
      applications: [{ id: board.id, urls: [board.url], target: board.target, headers: board.headers }]
    }
  }
  const token = join(folder, '../demo.token')
  if (!existsSync(token)) writeFileSync(token, readFileSync(join(folder, 'data/admin.token'), 'utf8'), { mode: 0o600 })
  writeFileSync(join(folder, 'curfew.yaml'), `# yaml-language-server: $schema=./config.schema.json\n${stringify(config)}`, { mode: 0o600 })
}

/** The gateway as a client of the authority. */
function gatewayConnection({ id, name, url, redirectUris }: RunningDemo['applications']['board']): object {
  return {
    id,
    name,
    homeUrl: `${url}/`,
    protocol: 'oidc',
    redirectUris,
    clientSecret: `\${file:keys/${id}.client-secret}`,
    revocationFeed: true,
    logout: { modes: [], pingAccessLogoutCapable: true }
  }
}

function printDemo({ terminal }: CommandContext, { applications, baseUrl, adminUrl, campusUrl: upstream }: RunningDemo): void {
  const shown = [...applications.applications, applications.board]
  const width = Math.max(...shown.map((app) => app.url.length))
  const apps = shown.map((app) => `${app.url.padEnd(width)}  ${app.note}`)
  terminal.out('')
  terminal.out(`  Curfew ${version}  demo   state in ${demoFolder}, nothing leaves this machine`)
  terminal.out('')
  const blocks: readonly (readonly (readonly [string, string])[])[] = [
    [
      ['Sign in', `${`${baseUrl}/`.padEnd(40)} user ana, password ana`],
      ['or at Campus', `${`${upstream}/`.padEnd(40)} user ${campusUser.user}, password ${campusUser.password}; SAML 2.0, upstream`],
      ['Admin API', `${`${adminUrl}/v1`.padEnd(40)} token in ${demoFolder}.token`],
      ['Metrics', `${adminUrl}/metrics`]
    ],
    apps.map((text, i) => [i === 0 ? 'Applications' : '', text] as const),
    [
      ['Try this', 'open the first three, then:  npx curfew logout --user ana --watch'],
      ['Break it', 'npx curfew trigger logout --partner legacy --fault no-response'],
      ['Stop', 'Ctrl+C']
    ]
  ]
  for (const block of blocks) {
    for (const [label, value] of block) terminal.out(`  ${label.padEnd(15)}  ${value}`.trimEnd())
    terminal.out('')
  }
}

async function openBrowser(url: string): Promise<void> {
  const { spawn } = await import('node:child_process')
  const command = process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer' : 'xdg-open'
  const child = spawn(command, [url], { stdio: 'ignore', detached: true })
  child.on('error', () => undefined)
  child.unref()
}
