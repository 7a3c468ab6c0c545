import { setTimeout as sleep } from 'node:timers/promises'
import type { RunView } from '../admin/schemas.ts'
import type { CheckedApplication } from './demo-check.ts'
import type { DemoNode, DemoRegion, DemoRegions } from './demo-regions.ts'
import { PlainBrowser } from './plain-browser.ts'
import type { Terminal } from './terminal.ts'

export interface ClusterUnderCheck {
  readonly cluster: DemoRegions
  readonly applications: readonly FallibleApplication[]
}

/** An application of the demo that can be told to answer wrongly. */
export interface FallibleApplication extends CheckedApplication {
  setFault?(fault: 'no-response' | 'slow'): void
}

const patienceMs = 60_000

/**
 * Does to the demo of a cluster what a person would: kills a node in the middle of a logout, cuts a region off, signs out
 * meanwhile, heals it, and looks in the journals of the applications and in every region whether it is true.
 */
export async function clusterCheck(terminal: Terminal, { cluster, applications }: ClusterUnderCheck): Promise<boolean> {
  const results: boolean[] = []
  const step = (what: string, isGood: boolean): void => {
    results.push(isGood)
    terminal.out(`  ${isGood ? 'ok  ' : 'FAIL'}  ${what}`)
  }
  const [here, there] = cluster.regions
  if (here === undefined) return false
  const told = applications.filter(({ id }) => asked.includes(id))
  try {
    await onNode(here, 'ana').catch(() => undefined)
    await killInTheMiddle({ cluster, applications: told }, here, step)
    if (there !== undefined) await cutAndHeal({ cluster, applications: told }, here, there, step)
  } catch (error) {
    step(error instanceof Error ? error.message : String(error), false)
  }
  const failed = results.filter((isGood) => !isGood).length
  terminal.out(`${results.length - failed} passed, ${failed} failed`)
  return failed === 0
}

type Step = (what: string, isGood: boolean) => void

/** Applications that hear of a logout from server to server, and say so. */
const asked: readonly string[] = ['intranet', 'legacy', 'wiki']
/** It takes two seconds to answer, and does not answer at all until a node is killed. */
const slow = 'legacy'

async function killInTheMiddle({ cluster, applications }: ClusterUnderCheck, here: DemoRegion, step: Step): Promise<void> {
  await cluster.enter(here.name)
  const browser = await signedIn(applications)
  try {
    step(
      `signed in at ${applications.map(({ name }) => name).join(' and ')}, one connection after the other at another node of ${here.name}`,
      areAll(applications, 'signed-in')
    )
    const [struck, other] = here.nodes
    if (struck === undefined || other === undefined) return
    const former = new Set((await runs(other)).map(({ id }) => id))
    const begun = async (): Promise<RunView | undefined> => (await runs(other)).find(({ id }) => !former.has(id))
    const slowOne = applications.find(({ id }) => id === slow)
    // Not by its two seconds alone: on a slow machine they can be over before anybody looks.
    slowOne?.setFault?.('no-response')
    let isOpen: boolean
    try {
      const logout = onNode(here, 'ana', struck).catch(() => undefined)
      isOpen = await holds(async () => isUnderWay(await begun()))
      await struck.kill()
      await logout
    } finally {
      slowOne?.setFault?.('slow')
    }
    step(`${struck.name} was killed while it signed ana out, before everybody had answered`, isOpen && struck.pid === undefined)
    step(
      `${other.name} finished the logout: every application has ended its session, its own journal says so`,
      await holds(async () => isSettled(await begun()) && areAll(applications, 'signed-out'))
    )
    step('no run is left open', await holds(async () => (await runs(other)).every(isSettled)))
    await struck.start()
    step(`${struck.name} is back`, await holds(async () => (await struck.admin.cluster()).nodes.filter(({ isLive }) => isLive).length === here.nodes.length))
  } finally {
    await browser.close()
  }
}

async function cutAndHeal({ cluster, applications }: ClusterUnderCheck, here: DemoRegion, there: DemoRegion, step: Step): Promise<void> {
  const [near, far] = [here.nodes[0], there.nodes[0]]
  if (near === undefined || far === undefined) return
  const browser = await signedIn(applications)
  try {
    step(
      `signed in again, in ${here.name}; ${there.name} knows the session`,
      await holds(async () => (await live(far)).length === (await live(near)).length && (await live(near)).length > 0)
    )
    await cluster.enter(there.name)
    const page = await browser.open(`${applications[0]?.url ?? ''}/`)
    step(`led to ${there.name}, the browser is not asked for a password`, !page.body.includes('type="password"'))
    await cluster.cut(there.name)
    step(`${there.name} was cut off, browsers are led to ${cluster.entered.name}`, cluster.isCut(there.name) && cluster.entered === here)
    await onNode(here, 'ana')
    step('ana was signed out meanwhile: every application has ended its session', await holds(async () => areAll(applications, 'signed-out')))
    step(`nobody is signed in in ${here.name}, and ${there.name} can not know`, (await live(near)).length === 0 && (await live(far)).length > 0)
    cluster.heal(there.name)
    step(`healed: ${there.name} has learned it, nobody is signed in there`, await holds(async () => (await live(far)).length === 0))
    await cluster.enter(there.name)
    const again = await browser.open(`${applications[0]?.url ?? ''}/`)
    step(`${there.name} asks for the password again`, again.body.includes('type="password"'))
    await cluster.enter(here.name)
  } finally {
    await browser.close()
  }
}

async function signedIn(applications: readonly CheckedApplication[]): Promise<PlainBrowser> {
  const browser = new PlainBrowser()
  for (const { url } of applications) {
    const page = await browser.open(`${url}/`)
    if (page.body.includes('type="password"')) await browser.submit(page, { username: 'ana', password: 'ana' })
  }
  return browser
}

/** Asks a node to sign somebody out everywhere. */
async function onNode(region: DemoRegion, user: string, node = region.nodes.find(({ pid }) => pid !== undefined)): Promise<void> {
  await node?.admin.logout({ user })
}

function areAll(applications: readonly CheckedApplication[], event: string): boolean {
  return applications.every(({ journal }) => journal.entries().at(-1)?.event === event)
}

async function live({ admin }: DemoNode): Promise<readonly { readonly id: string }[]> {
  return (await admin.sessions({ state: 'live', limit: '50' })).items
}

async function runs({ admin }: DemoNode): Promise<readonly RunView[]> {
  return (await admin.runs({ limit: '5' })).items
}

/** The slow one was sent its message, and has not answered. */
function isUnderWay(run: RunView | undefined): boolean {
  return run?.deliveries.some(({ peer, state }) => peer === slow && state === 'sent') ?? false
}

/** What goes from server to server has its outcome; a frame waits for a browser that may never come back. */
function isSettled(run: RunView | undefined): boolean {
  return run?.deliveries.every(({ channels, state }) => state === 'final' || !channels.some((channel) => channel.startsWith('server/'))) ?? false
}

async function holds(question: () => Promise<boolean>): Promise<boolean> {
  const untilMs = performance.now() + patienceMs
  for (;;) {
    if (await question().catch(() => false)) return true
    if (performance.now() > untilMs) return false
    await sleep(100)
  }
}
