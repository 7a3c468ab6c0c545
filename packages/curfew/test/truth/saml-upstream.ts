import assert from 'node:assert/strict'
import { decodeRedirect, verificationKeyFromCertificate, verifyAuthnRequest } from '@curfew/codecs'
import type { IdentityProviderSettings } from '../../src/authority/saml/settings.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { FrontBinding } from '../authority/artifact-peer.ts'
import { createUpstream, nameIdOf, spSloSoapUrl, spSloUrl } from '../authority/identity-provider.ts'
import { authorityPair, type Kit } from '../authority/kit.ts'
import { authorityUrl } from '../authority/partner.ts'
import type { Behaviour } from './behaviour.ts'
import { createJournal } from './journal.ts'
import { createSamlVoice, type SamlVoice } from './saml-voice.ts'
import type { Upstream } from './upstream.ts'
import { elsewhereOf, formTo, hostOf, page } from './web.ts'

/** A SAML identity provider upstream. */
export interface SamlUpstream extends Upstream {
  readonly voice: SamlVoice
  readonly settings: IdentityProviderSettings
  readonly certificatePem: string
}

export interface SamlUpstreamParts {
  readonly id: string
  /** Absent: behind the door of everybody. */
  readonly port?: number | undefined
  readonly clock: Clock
  readonly slo: readonly ('soap' | FrontBinding)[]
  readonly behaviour?: Behaviour
  kit(): Kit
}

export function createSamlUpstream({ id, port, clock, slo, behaviour = 'well', kit }: SamlUpstreamParts): SamlUpstream {
  const host = hostOf(`${id}.test`, port)
  const origin = `http://${host}`
  const journal = createJournal()
  const provider = createUpstream(id, clock, authorityPair, {
    sso: [{ binding: 'redirect', url: `${origin}/sso` }],
    slo: slo.map((binding) => ({ binding, url: `${origin}/${binding === 'soap' ? 'soap' : 'slo'}` })),
    artifactResolution: [{ url: `${origin}/ars` }]
  })
  const voice = createSamlVoice({
    entityId: provider.entityId,
    pair: provider.pair,
    clock,
    journal,
    behaviour,
    elsewhere: elsewhereOf(port),
    at: { front: spSloUrl, soap: spSloSoapUrl, artifacts: '/sp/ARS.ssaml2' },
    logoutRequest: (session, destination) => provider.logoutRequest(nameIdOf(session.user), [session.index], { destination }),
    kit
  })
  const keys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificate)] }
  let next = ''
  return {
    id,
    host,
    isDown: behaviour === 'down',
    journal,
    voice,
    settings: provider.settings,
    certificatePem: provider.pair.certificatePem,
    entry: `${authorityUrl}/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent(provider.entityId)}`,
    signsIn: (user) => void (next = user),
    async handle(request) {
      const { url, body } = request
      switch (url.pathname) {
        case '/sso': {
          const asked = verifyAuthnRequest(decodeRedirect(url.search.slice(1)), keys, { signature: 'required' })
          const session = journal.open(next, `index-of-${next}`)
          return formTo(`${authorityUrl}/sp/ACS.saml2`, await provider.respond({ requestId: asked.id, username: next, sessionIndex: session.index }))
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
          const session = journal.ofUser(url.searchParams.get('user') ?? '') ?? assert.fail('nobody of that name')
          const binding = (url.searchParams.get('binding') ?? 'redirect') as FrontBinding
          return voice.startThrough(binding, session, url.searchParams.get('door') ?? spSloUrl)
        }
        default:
          return { ...page('Nothing here'), status: 404 }
      }
    }
  }
}
