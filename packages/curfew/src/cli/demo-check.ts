import { type GuardedUnderCheck, openLive } from './demo-gateway-check.ts'
import { hubCheck } from './demo-hub-check.ts'
import { PlainBrowser } from './plain-browser.ts'
import type { Terminal } from './terminal.ts'

export interface CheckedApplication {
  readonly id: string
  readonly name: string
  readonly url: string
  /** It has no session; it is connected once and keeps access. */
  readonly keepsAccess?: true
  readonly journal: { entries(): readonly { readonly event: string }[] }
}

export interface DemoUnderCheck {
  readonly baseUrl: string
  /** The identity provider upstream. */
  readonly campusUrl: string
  readonly applications: readonly CheckedApplication[]
  /** The one behind the gateway. */
  readonly board: GuardedUnderCheck
}

/**
 * Walks through the demo as a browser without JavaScript would: signs in once, opens every application, signs out
 * everywhere in the first, and looks into the journals of the applications whether it is true:
 * all have ended, what keeps access still has it, and what was open behind the gateway was closed. Then the same with the
 * identity provider upstream.
 */
export async function demoCheck(terminal: Terminal, demo: DemoUnderCheck): Promise<boolean> {
  const browser = new PlainBrowser()
  const results: boolean[] = []
  const step = (what: string, isGood: boolean): void => {
    results.push(isGood)
    terminal.out(`  ${isGood ? 'ok  ' : 'FAIL'}  ${what}`)
  }
  try {
    const sites = demo.applications.filter(({ keepsAccess }) => keepsAccess !== true)
    const keepers = demo.applications.filter(({ keepsAccess }) => keepsAccess === true)
    for (const [i, app] of sites.entries()) {
      const page = await browser.open(`${app.url}/`)
      const inside = i === 0 ? await browser.submit(page, { username: 'ana', password: 'ana' }) : page
      step(i === 0 ? `signed in once, at ${app.name}` : `${app.name} opened without signing in again`, inside.body.includes('Sign out everywhere'))
    }
    for (const { name, url } of keepers) {
      const connected = await browser.submit(await browser.open(`${url}/connect`), { choice: 'allow' })
      step(`${name} was allowed to keep access`, connected.body.includes('Connected as'))
    }
    const [first, ...others] = sites
    if (first === undefined) return false
    const { board } = demo
    const here = await openLive(browser, board)
    step(`${board.name} opened behind the gateway without signing in again`, here.body.includes('Signed in as <strong>ana'))
    await browser.open(`${board.url}/pa/oidc/logout`)
    step(`signing out at ${board.name} only closed its live connection`, (await here.closed()) === '4001 session ended')
    step(`${first.name} is still signed in`, (await browser.open(`${first.url}/`)).body.includes('Sign out everywhere'))
    const everywhere = await openLive(browser, board)
    const signedOut = await browser.submit(await browser.open(`${first.url}/`), {})
    step(`signed out everywhere from ${first.name}`, signedOut.url.startsWith(first.url) && /[?&]signout=(complete|partial)/.test(signedOut.url))
    step(`${board.name} lost its live connection, too, within a second`, (await everywhere.closed()) === '4001 session ended')
    for (const app of others) step(`${app.name} ended its session, its own journal says so`, app.journal.entries().at(-1)?.event === 'signed-out')
    for (const { name, url, journal } of keepers) {
      const used = await browser.submit(await browser.open(`${url}/`), {})
      step(`${name} keeps access, its own journal says so`, used.body.includes('Connected as') && journal.entries().at(-1)?.event === 'access-used')
    }
    for (const { name, url } of [first, board]) {
      const again = await browser.open(`${url}/`)
      step(`opening ${name} asks for the password again`, again.url.startsWith(demo.baseUrl) && again.body.includes('name="password"'))
    }
    await hubCheck(browser, demo, step)
  } catch (error) {
    step(error instanceof Error ? error.message : String(error), false)
  } finally {
    await browser.close()
  }
  const failed = results.filter((isGood) => !isGood).length
  terminal.out(`${results.length - failed} passed, ${failed} failed`)
  return failed === 0
}
