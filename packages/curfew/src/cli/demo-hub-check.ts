import type { CheckedApplication, DemoUnderCheck } from './demo-check.ts'
import type { Page, PlainBrowser } from './plain-browser.ts'

const user = { username: 'zoe', password: 'zoe' }

/**
 * Somebody comes in through the identity provider upstream: sign-outs that start at an application, by the addresses of
 * PingOne, and upstream, each with a look at what the others know.
 */
export async function hubCheck(browser: PlainBrowser, demo: DemoUnderCheck, step: (what: string, isGood: boolean) => void): Promise<void> {
  const app = (id: string): CheckedApplication => {
    const found = demo.applications.find((one) => one.id === id)
    if (found === undefined) throw new Error(`there is no application ${id}`)
    return found
  }
  const [timesheet, forms, payroll] = [app('timesheet'), app('forms'), app('payroll')]
  const last = ({ journal }: CheckedApplication): string | undefined => journal.entries().at(-1)?.event
  const isOpen = ({ body }: Page): boolean => body.includes('Sign out everywhere')
  const asksAt = (page: Page, baseUrl: string): boolean => page.url.startsWith(baseUrl) && page.body.includes('name="password"')
  /** Opens Timesheet by way of Campus, which asks for a password or not, and Forms after it. */
  const comeIn = async (): Promise<{ readonly asked: boolean; readonly page: Page }> => {
    const choice = await browser.open(`${timesheet.url}/`)
    const page = await browser.open(`${choice.url.split('?')[0]}?identityProvider=campus`)
    const asked = asksAt(page, demo.campusUrl)
    const inside = asked ? await browser.submit(page, user) : page
    await browser.open(`${forms.url}/`)
    return { asked, page: inside }
  }

  const first = await comeIn()
  step(`signed in at Campus, and ${timesheet.name} opened`, first.asked && isOpen(first.page))
  step(`${forms.name} opened without signing in again`, last(forms) === 'signed-in')
  const out = await browser.submit(await browser.open(`${timesheet.url}/`), {})
  step(`signed out everywhere from ${timesheet.name}, by /sso/SLO.saml2`, out.url.startsWith(timesheet.url) && out.url.includes('signout=complete'))
  step(`${forms.name} ended its session, its own journal says so`, last(forms) === 'signed-out')
  step('Campus asks for the password again', asksAt(await browser.open(`${demo.campusUrl}/`), demo.campusUrl))

  await comeIn()
  const initslo = await browser.send(await browser.open(`${timesheet.url}/`), '/leave/campus')
  step('initslo with idpid and page signed out and came back', initslo.url.startsWith(`${timesheet.url}/?signout=returned`) && last(forms) === 'signed-out')
  step('Campus asks for the password again', asksAt(await browser.open(`${demo.campusUrl}/`), demo.campusUrl))

  await comeIn()
  const terminated = await browser.send(await browser.open(`${timesheet.url}/`), '/leave/terminatesession')
  step('terminatesession ended the session here and came back', terminated.url.startsWith(`${timesheet.url}/?signout=returned`))
  step(`${forms.name} was not told, and neither was Campus`, last(forms) === 'signed-in' && !(await comeIn()).asked)

  // Forms goes on with the session that nobody ended.
  await browser.open(`${payroll.url}/`)
  const ask = await browser.open(`${demo.campusUrl}/idp/startSLO.ping`)
  const upstream = await browser.submit(ask, { choice: 'everywhere' })
  step('signed out at Campus', upstream.url.startsWith(demo.campusUrl))
  for (const one of [timesheet, payroll]) step(`${one.name} ended its session, its own journal says so`, last(one) === 'signed-out')
  step(`opening ${timesheet.name} asks again`, asksAt(await browser.open(`${timesheet.url}/`), demo.baseUrl))
}
