import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import type { Browser } from '../packages/curfew/test/authority/browser.ts'
import { signIn } from '../packages/curfew/test/authority/kit.ts'
import { clientOf, codeFor, exchange } from '../packages/curfew/test/authority/oidc/relying-party.ts'
import { createOidcHub, type OidcHub, signInAt } from '../packages/curfew/test/authority/oidc-rp/hub.ts'
import { outcomes, runOf, settingsOf, startLogout } from '../packages/curfew/test/authority/opentoken/application.ts'
import { follow } from '../packages/curfew/test/authority/saml-sp/hub.ts'
import { line, rateOfAsync } from './measure.ts'

const soapUrl = 'http://payroll.test/soap'
const hopsMax = 6

/**
 * A whole journey through the hub: sign-in at an OpenID provider upstream, an application by SAML, one by OpenID, one
 * by OpenToken, and a logout that reaches all of them by SOAP, back channel and the browser. Both sides of every message
 * are in this process, the store is in memory: what it measures is the work, not the network and not the disk.
 */
export async function benchHub(): Promise<readonly string[]> {
  const hub = await openHub()
  await using _kit = hub.kit
  let person = 0
  const upstream = await rateOfAsync(async () => {
    person += 1
    const browser = hub.kit.browser()
    await signInAt(hub, browser, { sub: `u-${person}`, sid: `sid-${person}` })
    await visitAndLeave(hub, browser, 'social')
  })
  const form = await rateOfAsync(async () => {
    const browser = hub.kit.browser()
    await follow(browser, await signIn(browser, '/', 'ana'))
    await visitAndLeave(hub, browser, undefined)
  })
  return [
    'A journey through the hub: sign-in, three applications of three protocols, logout; both sides in one process',
    `  ${`${upstream.perCpuSecond.toFixed(1)} a CPU-second with a sign-in upstream, ${form.perCpuSecond.toFixed(1)} with the form`}`,
    line('with an OpenID provider upstream', upstream.perCpuSecond / form.perCpuSecond, 'the same with a sign-in here (password free)')
  ]
}

function openHub(): Promise<OidcHub> {
  const hub: Promise<OidcHub> = createOidcHub({
    partners: { payroll: { slo: [{ binding: 'soap', url: soapUrl }] } },
    clients: [clientOf('wiki')],
    adapters: { applications: [settingsOf('forms')] },
    signOn: { hasForm: true },
    network: async ({ url, body }) => {
      if (url !== soapUrl) return { status: 200 }
      const { kit } = await hub
      return { body: Buffer.from(await kit.partner('payroll').soapAnswer(body ?? '')) }
    }
  })
  return hub
}

async function visitAndLeave({ kit }: OidcHub, browser: Browser, upstream: string | undefined): Promise<void> {
  const payroll = kit.partner('payroll')
  payroll.readResponse((await follow(browser, await browser.get(await payroll.ssoRedirect()))).body)
  assert.equal((await exchange(kit, 'wiki', await codeFor(kit, browser, 'wiki'))).statusCode, 200)
  assert.match(String((await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')).headers.location), /opentoken=/)
  const path = await startLogout(browser)
  for (let i = 0; i < hopsMax; i++) {
    const { headers } = await browser.get(`${path}/go`)
    const url = new URL(String(headers.location), 'http://curfew.test')
    if (url.host === 'curfew.test') break
    const resumePath = url.searchParams.get('resumePath')
    await browser.get(resumePath ?? `/sp/${upstream}/logged-out.openid?state=${url.searchParams.get('state')}`)
  }
  while ((await runOf(kit, path)).state !== 'done') await turn()
  const seen = Object.fromEntries(await outcomes(kit, path))
  // Coming back from a provider proves nothing, and its logout token is not sent here.
  assert.deepEqual(seen, { payroll: 'ended', wiki: 'ended', forms: 'ended', ...(upstream === undefined ? {} : { [upstream]: 'unconfirmed' }) })
}
