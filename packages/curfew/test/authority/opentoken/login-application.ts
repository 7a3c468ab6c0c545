import assert from 'node:assert/strict'
import type { LoginSettings } from '../../../src/authority/opentoken/settings.ts'
import type { Browser } from '../browser.ts'
import { createKit, type Kit, type KitOptions } from '../kit.ts'
import { password, settingsOf } from './application.ts'

const portal: LoginSettings = {
  id: 'portal',
  password,
  authenticationService: 'http://portal.test/login?app=curfew',
  logoutService: 'http://portal.test/logout',
  attributes: { mail: 'mail' }
}

/** An authority where people sign in at `portal`, and one application, `forms`. */
export function createLoginKit(login: Partial<LoginSettings> = {}, more: KitOptions = {}): Promise<Kit> {
  const adapters = { logins: [{ ...portal, ...login }], applications: [settingsOf('forms')], ...more.adapters }
  return createKit({ partners: {}, signOn: { hasForm: false }, ...more, adapters })
}

/** The browser arrives at the login application; returns the path by which it comes back. */
export async function sent(browser: Browser, start = '/sp/startSSO.ping?SpSessionAuthnAdapterId=forms'): Promise<string> {
  const first = await browser.get(start)
  const away = await browser.get(String(first.headers.location))
  const url = new URL(String(away.headers.location))
  assert.equal(url.host, 'portal.test')
  assert.equal(url.searchParams.get('resume'), url.searchParams.get('resumePath'))
  return url.searchParams.get('resumePath') ?? ''
}
