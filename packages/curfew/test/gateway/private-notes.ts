import assert from 'node:assert/strict'
import type { BrowserContext, Page, Request } from 'playwright-core'
import { until } from '../support/until.ts'
import type { GatewayKit, GatewayKitOptions } from './kit.ts'

/** An application whose pages are of one person, each kept by a browser that may. */
export const privateNotes: NonNullable<GatewayKitOptions['upstream']> = (request, response) => {
  const host = (request.headers.host ?? '').split('.')[0]
  response
    .writeHead(200, { 'content-type': 'text/html', 'cache-control': 'max-age=600' })
    .end(`<!doctype html><title>${host}</title><h1>Private notes of ${String(request.headers['x-user'])}</h1><a href="/pa/oidc/logout">Sign out</a>`)
}

export async function isSignedIn(page: Page): Promise<boolean> {
  return (await page.locator('h1', { hasText: 'Private notes of ana' }).count()) === 1
}

/** True where the password is asked for. */
export async function isAskedToSignIn(page: Page): Promise<boolean> {
  return (await page.locator('input[name=password]').count()) === 1
}

/** Signs in at the wiki with the password, and at the shop without. */
export async function signedIn(kit: GatewayKit, page: Page): Promise<Page> {
  await page.goto(`${kit.wiki}/`)
  await page.fill('input[name=username]', 'ana')
  await page.fill('input[name=password]', 'correct horse')
  await page.click('button.primary')
  await page.locator('h1', { hasText: 'Private notes of ana' }).waitFor()
  await page.goto(`${kit.shop}/`)
  assert.ok(await isSignedIn(page))
  return page
}

export async function hasCookie(context: BrowserContext, host: string): Promise<boolean> {
  return (await context.cookies(host)).some(({ name }) => name === 'PA.ACE_ws')
}

/** Until the last logout of the authority has an outcome everywhere. */
export async function untilRunIsDone(kit: GatewayKit): Promise<void> {
  await until('the run is done', async () => (await kit.authority.store.listRuns({ limit: 1 })).items[0]?.state === 'done')
}

/** Steps back that lead over everything a journey has visited. */
const stepsBackMax = 12

/** Goes back to where the tab began: no page on the way shows anything private, and applications were among what was asked for. */
export async function assertBackShowsNothing(kit: GatewayKit, page: Page): Promise<void> {
  const applications = [kit.wiki, kit.shop].map((url) => new URL(url).origin)
  const reached: string[] = []
  const note = (request: Request): void => {
    if (request.isNavigationRequest() && applications.includes(new URL(request.url()).origin)) reached.push(request.url())
  }
  page.on('request', note)
  const seen: string[] = []
  while (page.url() !== 'about:blank' && seen.length < stepsBackMax) {
    await page.goBack({ waitUntil: 'load' })
    const text = await page.locator('body').innerText()
    seen.push(page.url())
    assert.ok(!text.includes('Private notes'), seen.join(' < '))
  }
  page.off('request', note)
  assert.equal(page.url(), 'about:blank', seen.join(' < '))
  assert.ok(reached.length > 0, `no application on the way: ${seen.join(' < ')}`)
}
