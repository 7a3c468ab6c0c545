import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { Cable } from './cable.ts'
import { type AdminClient, createAdminClient, readToken } from './client.ts'
import { demoSettings, type RunningApplications } from './demo-installation.ts'
import { type DemoProcess, demoNode, startDemoServer } from './demo-node.ts'

/** Names that regions get, in this order. */
export const regionNames = ['berlin', 'paris', 'madrid', 'oslo'] as const

/** Nodes that share a server, and what leads to them. */
export interface DemoRegion {
  readonly name: string
  readonly server: DemoProcess
  readonly nodes: readonly DemoNode[]
}

export interface DemoNode extends DemoProcess {
  readonly adminUrl: string
  readonly admin: AdminClient
}

/** All regions of one authority on this machine, behind one address. */
export interface DemoRegions {
  readonly regions: readonly DemoRegion[]
  /** The region that browsers and applications reach. */
  readonly entered: DemoRegion
  readonly isCut: (region: string) => boolean
  /** From now on the address leads to this region, for open connections as well. */
  enter(region: string): Promise<void>
  /** No other region reaches this one any more, nor it them; browsers are led to another. */
  cut(region: string): Promise<void>
  heal(region: string): void
  node(name: string): DemoNode | undefined
  stop(): Promise<void>
}

export interface DemoRegionsOptions {
  readonly folder: string
  readonly baseUrl: string
  /** First of a hundred ports that nobody else uses. */
  readonly port: number
  readonly regions: number
  readonly nodes: number
  readonly applications: RunningApplications
}

/** Starts servers, nodes and the wires between them: all, or none when something is missing. */
export async function startRegions(options: DemoRegionsOptions): Promise<DemoRegions> {
  await using opened = new AsyncDisposableStack()
  const { folder } = options
  const ports = portsFrom(options.port)
  const names = regionNames.slice(0, options.regions)
  const regions: DemoRegion[] = []
  const cables = new Map<string, Cable>()
  const at = (i: number): DemoRegion | undefined => regions[i]
  let here = 0

  for (const [from] of names.entries())
    for (const [to] of names.entries()) {
      const cable = new Cable(turnOf(() => at(to)?.nodes.map((node, i) => (node.pid === undefined ? undefined : ports.link(to, i))) ?? []))
      await cable.listen(ports.cable(from, to))
      opened.defer(() => cable.close())
      cables.set(`${from} ${to}`, cable)
    }
  for (const [r, name] of names.entries()) {
    const server = await startDemoServer({ name: `${name}-server`, port: ports.server(r), folder })
    opened.defer(() => server.stop())
    const count = Math.floor(options.nodes / options.regions) + (r < options.nodes % options.regions ? 1 : 0)
    const nodes = Array.from({ length: count }, (_, n): DemoNode => {
      const node = `${name}-${n + 1}`
      const config = join(folder, `${node}.yaml`)
      writeFileSync(config, stringify(nodeConfig(options, { names, region: r, index: n })), { mode: 0o600 })
      const adminUrl = `http://127.0.0.1:${ports.admin(r, n)}`
      const started = demoNode({ name: node, port: ports.node(r, n), config, folder })
      opened.defer(() => started.stop())
      const admin = createAdminClient({ server: adminUrl, token: readToken(join(folder, 'data/admin.token')) })
      return Object.defineProperties({ adminUrl, admin }, Object.getOwnPropertyDescriptors(started)) as DemoNode
    })
    regions.push({ name, server, nodes })
  }
  await Promise.all(regions.flatMap(({ nodes }) => nodes.map((node) => node.start())))
  const front = new Cable(turnOf(() => at(here)?.nodes.map(({ pid, port }) => (pid === undefined ? undefined : port)) ?? []))
  await front.listen(options.port)
  opened.defer(() => front.close())

  const placeOf = (region: string): number => {
    const place = names.findIndex((name) => name === region)
    if (place < 0) throw new TypeError(`there is no region ${region}, only ${names.join(', ')}`)
    return place
  }
  const wiresOf = (region: number): readonly Cable[] =>
    [...cables].filter(([key]) => key.split(' ').includes(String(region)) && key !== `${region} ${region}`).map(([, cable]) => cable)
  const isCut = (region: string): boolean => wiresOf(placeOf(region)).every((cable) => cable.isCut) && names.length > 1
  const enter = async (region: string): Promise<void> => {
    here = placeOf(region)
    front.drop()
    await sleep(50)
  }
  const parts = opened.move()
  return {
    regions,
    get entered() {
      return at(here) ?? fail('there is no region')
    },
    isCut,
    enter,
    async cut(region) {
      const place = placeOf(region)
      for (const cable of wiresOf(place)) cable.cut()
      const other = names.find((name) => name !== region && !isCut(name)) ?? names.find((name) => name !== region)
      if (place === here && other !== undefined) await enter(other)
    },
    heal(region) {
      for (const cable of wiresOf(placeOf(region))) cable.heal()
    },
    node: (name) => regions.flatMap(({ nodes }) => nodes).find((node) => node.name === name),
    stop: () => parts.disposeAsync()
  }
}

/** One after the other of those that are there. */
function turnOf(ports: () => readonly (number | undefined)[]): () => number | undefined {
  let turn = 0
  return () => {
    const there = ports().filter((port) => port !== undefined)
    turn += 1
    return there[turn % Math.max(1, there.length)]
  }
}

/** Applications lie between: the hundred ports from forty on are those of the nodes. */
function portsFrom(port: number) {
  return {
    node: (region: number, index: number) => port + 40 + region * 16 + index * 2,
    admin: (region: number, index: number) => port + 41 + region * 16 + index * 2,
    link: (region: number, index: number) => port + 110 + region * 8 + index,
    cable: (from: number, to: number) => port + 150 + from * 4 + to,
    server: (region: number) => port + 170 + region
  }
}

/** Ports above the first that the demo of a cluster takes. */
export const clusterPortsAbove = 180
/** Nodes of one region, at most. */
export const nodesPerRegionMax = 8

interface NodePlace {
  readonly names: readonly string[]
  readonly region: number
  readonly index: number
}

function nodeConfig({ baseUrl, port, applications }: DemoRegionsOptions, { names, region, index }: NodePlace): object {
  const ports = portsFrom(port)
  const group = names[region]
  const several = {
    group,
    mode: 'regions',
    groups: names.map((id, to) => ({ id, links: [`http://127.0.0.1:${ports.cable(region, to)}`] })),
    listen: [`127.0.0.1:${ports.link(region, index)}`]
  }
  return {
    server: { baseUrl, listen: [`127.0.0.1:${ports.node(region, index)}`] },
    admin: { listen: [`127.0.0.1:${ports.admin(region, index)}`] },
    ...demoSettings(applications),
    store: { kind: 'redis', redis: { copies: 0, nodes: [`redis://127.0.0.1:${ports.server(region)}`] } },
    cluster: { node: `${group}-${index + 1}`, ...(names.length > 1 ? several : {}) }
  }
}

function fail(message: string): never {
  throw new Error(message)
}
