import { decodePost, type NameID, verificationKeyFromCertificate, verifyResponse } from '@curfew/codecs'
import assert from 'node:assert/strict'
import type { ConnectionSettings } from '../../src/authority/saml/settings.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { FrontBinding } from '../authority/artifact-peer.ts'
import { authorityPair, type Kit } from '../authority/kit.ts'
import { authorityUrl, createPartner, sloSoapUrl, sloUrl } from '../authority/partner.ts'
import type { Behaviour } from './behaviour.ts'
import { appCookie, createJournal, type Journal, type KeptSession } from './journal.ts'
import { createSamlVoice, type SamlVoice } from './saml-voice.ts'
import { elsewhereOf, everywhereCookie, formOfRequest, hostOf, page, sendTo, type Site } from './web.ts'

/** A service provider that keeps its own sessions and finds them by the SessionIndex of a message, without a cookie. */
export interface SamlApplication extends Site {
  readonly id: string
  readonly journal: Journal
  readonly voice: SamlVoice
  readonly settings: ConnectionSettings
  readonly certificatePem: string
}

export interface SamlApplicationParts {
  readonly id: string
  /** Absent: behind the door of everybody. */
  readonly port?: number | undefined
  readonly clock: Clock
  readonly slo: readonly ('soap' | FrontBinding)[]
  readonly frames?: boolean
  readonly behaviour?: Behaviour
  kit(): Kit
}

export async function createSamlApplication({ id, port, clock, slo, frames, behaviour = 'well', kit }: SamlApplicationParts): Promise<SamlApplication> {
  const host = hostOf(`${id}.localhost`, port)
  const origin = `http://${host}`
  const partner = await createPartner(id, clock, authorityPair, {
    entityId: `${origin}/saml`,
    homeUrl: `${origin}/`,
    acs: [{ binding: 'post', url: `${origin}/acs`, index: 0, default: true }],
    slo: slo.map((binding) => ({ binding, url: `${origin}/${binding === 'soap' ? 'soap' : 'slo'}` })),
    artifactResolution: [{ url: `${origin}/ars` }],
    ...(frames === undefined ? {} : { frames })
  })
  const journal = createJournal()
  const names = new Map<string, NameID>()
  const voice = createSamlVoice({
    entityId: partner.entityId,
    pair: partner.pair,
    clock,
    journal,
    behaviour,
    elsewhere: elsewhereOf(port),
    at: { front: sloUrl, soap: sloSoapUrl, artifacts: '/idp/ARS.ssaml2' },
    logoutRequest: (session, destination) => partner.logoutRequest(names.get(session.cookie) ?? assert.fail(id), [session.index], { destination }),
    kit
  })
  const own = (cookies: ReadonlyMap<string, string>): KeptSession => journal.byCookie(cookies) ?? assert.fail(`nobody is in ${id}`)
  return {
    id,
    host,
    isDown: behaviour === 'down',
    journal,
    voice,
    settings: partner.settings,
    certificatePem: partner.pair.certificatePem,
    async handle(request) {
      const { url, cookies, body } = request
      switch (url.pathname) {
        case '/':
          return journal.byCookie(cookies)?.isLive === true ? page(`In ${id}`) : sendTo(await partner.ssoRedirect())
        case '/acs': {
          const keys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificate)] }
          const { assertion } = verifyResponse(decodePost([...formOfRequest(request)]), keys)
          assert.ok(assertion)
          const user = assertion.attributes.find(({ name }) => name === 'mail')?.values[0] ?? assertion.subject.nameId.value
          const session = journal.open(String(user), assertion.authnStatement?.sessionIndex ?? '')
          names.set(session.cookie, assertion.subject.nameId)
          return sendTo('/', [everywhereCookie(appCookie, session.cookie)])
        }
        case '/slo':
          return voice.arrived(request)
        case '/soap':
          return voice.asked(request)
        case '/ars': {
          const answer = await voice.artifacts.network({ peerId: id, url: url.href, method: 'POST', body: body.toString(), timeoutMs: 1, responseBytesMax: 1 })
          return { status: answer.status ?? 200, headers: { 'content-type': 'text/xml' }, body: answer.body ?? '' }
        }
        case '/start': {
          const binding = (url.searchParams.get('binding') ?? 'redirect') as FrontBinding
          return voice.startThrough(binding, own(cookies), url.searchParams.get('door') ?? sloUrl)
        }
        default:
          return { ...page('Nothing here'), status: 404 }
      }
    }
  }
}
