import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'

const names = ['chromium-headless-shell', 'chromium', 'google-chrome']

/** Path of a Chromium on this machine; undefined: tests that need one are left out, with this reason. */
export function findChromium(): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

const switches = ['--no-sandbox', '--disable-background-networking']

export const noChromium = 'no Chromium on this machine: install chromium-headless-shell'

/**
 * @param more - further switches of Chromium
 * @param options - `keepsPages`: pages that were left may be kept whole for the back button, as browsers of people do
 */
export function launch(more: readonly string[] = [], options: { readonly keepsPages?: boolean } = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium() ?? '',
    args: [...switches, ...more],
    ...(options.keepsPages === true ? { ignoreDefaultArgs: ['--disable-back-forward-cache'] } : {})
  })
}

/** A browser that keeps what it has in this folder, for when it is opened there again. */
export function launchProfile(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, { executablePath: findChromium() ?? '', args: [...switches] })
}

/** From now on frames and pictures of other sites in this page come without their cookies, as most browsers have it. */
export async function blockThirdParties(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Network.setCookieControls', { enableThirdPartyCookieRestriction: true })
}

/** Opens an address; presses the button of the page that carries a SAML message where no script does. */
export async function open(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await carryOn(page)
}

export async function carryOn(page: Page): Promise<void> {
  for (let i = 0; i < 6; i++) {
    await page.waitForLoadState('load')
    const carrier = page.locator('form#post button')
    if ((await carrier.count()) === 0) return
    await carrier.click().catch(() => undefined)
  }
}

/** Signs in as ana, starting at an application. */
export async function signIn(page: Page, appUrl: string): Promise<void> {
  await open(page, `${appUrl}/`)
  await page.fill('input[name=username]', 'ana')
  await page.fill('input[name=password]', 'ana')
  await page.click('button.primary')
  await carryOn(page)
}
