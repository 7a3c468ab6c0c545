import { spawnSync } from 'node:child_process'

/** A machine of its own: a network namespace with one cable. */
export interface Host {
  readonly name: string
  readonly address: string
  /** What a program is started with to run there. */
  readonly prefix: readonly string[]
  /** Nothing comes or goes any more, and nobody is told: as when the power of a switch fails. */
  cut(): void
  heal(): void
  /** Isolated machines do not reach each other; everybody else reaches them and is reached. */
  isolate(isOn: boolean): void
}

/** From when until when something did not go through, in milliseconds since 1970. */
export interface Outage {
  readonly fromMs: number
  readonly toMs: number
}

/** Switches and machines inside one network namespace that the whole run has to itself. */
export interface Net {
  host(name: string): Host
  /** Puts machines on a switch of their own: they reach each other and nobody else. */
  apart(hosts: readonly Host[]): void
  /** Everybody on one switch again. */
  together(): void
  /** Every cut so far; what was sent into one may arrive at its end. */
  readonly outages: readonly Outage[]
}

/** The address of the machine that drives the run. */
export const controllerAddress = '10.77.0.1'
const range = '10.77'

/** Makes the switch. Call it inside a network namespace of its own: what it makes goes with that. */
export function createNet(): Net {
  const hosts: string[] = []
  const cableAt = new Map<string, string>()
  const outages = new Map<string, { fromMs: number; toMs: number }[]>()
  const begin = (name: string): void => void outages.set(name, [...(outages.get(name) ?? []), { fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY }])
  const over = (name: string): void => {
    const last = outages.get(name)?.at(-1)
    if (last !== undefined) last.toMs = Math.min(last.toMs, Date.now())
  }
  ip('link', 'set', 'lo', 'up')
  ip('link', 'add', 'switch', 'type', 'bridge')
  ip('link', 'add', 'island', 'type', 'bridge')
  ip('addr', 'add', `${controllerAddress}/16`, 'dev', 'switch')
  ip('link', 'set', 'switch', 'up')
  ip('link', 'set', 'island', 'up')
  return {
    host(name) {
      const number = hosts.length + 1
      const [cable, space] = [`cable${number}`, `h${number}`]
      // The controller alone has a 0 in the third octet; inside of a /16 the last one may be any.
      const address = `${range}.${1 + (number >> 8)}.${number & 255}`
      hosts.push(cable)
      cableAt.set(address, cable)
      ip('netns', 'add', space)
      ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space)
      ip('link', 'set', cable, 'master', 'switch', 'up')
      ip('-n', space, 'addr', 'add', `${address}/16`, 'dev', 'eth0')
      for (const device of ['lo', 'eth0']) ip('-n', space, 'link', 'set', device, 'up')
      return {
        name,
        address,
        prefix: ['ip', 'netns', 'exec', space],
        cut() {
          begin(cable)
          ip('link', 'set', cable, 'down')
        },
        heal() {
          ip('link', 'set', cable, 'up')
          over(cable)
        },
        isolate: (isOn) => ip('link', 'set', 'dev', cable, 'type', 'bridge_slave', 'isolated', isOn ? 'on' : 'off')
      }
    },
    get outages() {
      return [...outages.values()].flat()
    },
    apart(some) {
      begin('island')
      for (const { address } of some) ip('link', 'set', cableAt.get(address) ?? '', 'master', 'island')
    },
    together() {
      for (const cable of hosts) ip('link', 'set', cable, 'master', 'switch', 'up')
      over('island')
    }
  }
}

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}
