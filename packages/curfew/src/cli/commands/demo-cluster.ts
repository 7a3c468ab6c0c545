import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { CommandContext } from '../context.ts'
import { clusterCheck } from '../demo-cluster-check.ts'
import { startControl } from '../demo-cluster-control.ts'
import { explainTaken, prepareDemo, type RunningApplications, startApplications } from '../demo-installation.ts'
import { clusterPortsAbove, type DemoRegions, nodesPerRegionMax, regionNames, startRegions } from '../demo-regions.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { untilStopped } from '../until-stopped.ts'
import { version } from '../version.ts'

export interface DemoClusterOptions {
  readonly port: number
  readonly regions?: number
  readonly nodes?: number
  readonly once?: boolean
}

const clusterFolder = '.curfew/demo-cluster'

/**
 * `curfew demo --regions 2 --nodes 4`: the authority as several processes on real servers, one server for each region, behind
 * one address; the same applications around it.
 *
 * @throws CURFEW_CLI_PROGRAM_MISSING without redis-server or valkey-server
 */
export async function demoCluster({ terminal }: CommandContext, options: DemoClusterOptions): Promise<ExitCode> {
  const regions = options.regions ?? 1
  const nodes = options.nodes ?? regions * 2
  const wrong = problemOf(regions, nodes, options.port)
  if (wrong !== undefined) {
    terminal.error(wrong)
    return exitCode.usage
  }
  const folder = resolve(clusterFolder)
  const baseUrl = `http://curfew.localhost:${options.port}`
  mkdirSync(folder, { recursive: true })
  await using opened = new AsyncDisposableStack()
  await prepareDemo(folder, baseUrl)
  const applications = await startApplications(folder, baseUrl, options.port + 10)
  opened.defer(() => applications.close())
  const cluster = await startRegions({ folder, baseUrl, port: options.port, regions, nodes, applications }).catch(explainTaken)
  opened.defer(() => cluster.stop())
  const control = await startControl(cluster, options.port + 1)
  opened.defer(() => void control.close())
  for (const line of described(cluster, applications, { baseUrl, control: `http://127.0.0.1:${options.port + 1}` })) terminal.out(line)
  if (options.once === true) {
    const isGood = await clusterCheck(terminal, { cluster, applications: applications.applications })
    return isGood ? exitCode.done : exitCode.failed
  }
  await untilStopped()
  terminal.note('\n  Stopping.')
  return exitCode.done
}

function problemOf(regions: number, nodes: number, port: number): string | undefined {
  if (regions > regionNames.length) return `There are at most ${regionNames.length} regions.`
  if (nodes < regions) return `Each of ${regions} regions needs a node: give --nodes ${regions} or more.`
  if (nodes > regions * nodesPerRegionMax) return `One region has at most ${nodesPerRegionMax} nodes.`
  if (port + clusterPortsAbove > 65_535)
    return `Ports up to ${clusterPortsAbove} above the first are needed: give --port ${65_535 - clusterPortsAbove} or less.`
  return undefined
}

interface Addresses {
  readonly baseUrl: string
  readonly control: string
}

function described(cluster: DemoRegions, { applications }: RunningApplications, { baseUrl, control }: Addresses): readonly string[] {
  const [first] = cluster.regions
  const last = cluster.regions.at(-1)
  const node = first?.nodes[0]
  const width = Math.max(...applications.map(({ url }) => url.length))
  const post = (path: string): string => `curl -X POST ${control}/${path}`
  const admin = `--server ${node?.adminUrl ?? ''} --token-file ${clusterFolder}/data/admin.token`
  const blocks: readonly (readonly (readonly [string, string])[])[] = [
    [['Sign in', `${`${baseUrl}/`.padEnd(40)} user ana, password ana`]],
    cluster.regions.flatMap(({ name, server, nodes }) => [
      [name, `${server.name} at 127.0.0.1:${server.port}`] as const,
      ...nodes.map((one) => ['', `${one.name.padEnd(10)} process ${String(one.pid).padEnd(8)} admin API ${one.adminUrl}/v1`] as const)
    ]),
    applications.map(({ url, note }, i) => [i === 0 ? 'Applications' : '', `${url.padEnd(width)}  ${note}`] as const),
    [
      ['Kill a node', `kill -9 ${node?.pid}    or ${post(`kill/${node?.name}`)}`],
      ['Start it again', post(`start/${node?.name}`)],
      ...(first === last || last === undefined
        ? []
        : [
            ['Cut a region off', post(`cut/${last.name}`)] as const,
            ['Heal it', post(`heal/${last.name}`)] as const,
            ['Go there', post(`enter/${last.name}`)] as const
          ]),
      ['How it is', `curl ${control}`],
      ['Watch a logout', `npx curfew logout --user ana --watch ${admin}`],
      ['Stop', 'Ctrl+C']
    ]
  ]
  const lines = blocks.flatMap((block) => [...block.map(([label, value]) => `  ${label.padEnd(16)}  ${value}`.trimEnd()), ''])
  return ['', `  Curfew ${version}  demo of a cluster   state in ${clusterFolder}, nothing leaves this machine`, '', ...lines]
}
