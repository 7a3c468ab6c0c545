import type { Clock } from '../../src/platform/clock.ts'
import type { Kit } from '../authority/kit.ts'
import { type ClientWay, createOpenIdClient, type OpenIdClient } from './openid-client.ts'
import { createOpenIdUpstream, type OpenIdUpstream } from './openid-upstream.ts'
import { createOpenTokenApplication, type OpenTokenApplication } from './opentoken-application.ts'
import { createSamlApplication, type SamlApplication } from './saml-application.ts'
import { createSamlUpstream, type SamlUpstream } from './saml-upstream.ts'

/** Everybody who can be told of a logout, one of each kind. */
export interface Receivers {
  readonly saml: readonly SamlApplication[]
  readonly openId: readonly OpenIdClient[]
  readonly openToken: readonly OpenTokenApplication[]
  readonly samlUpstreams: readonly SamlUpstream[]
  readonly openIdUpstreams: readonly OpenIdUpstream[]
}

/** What the kind of a receiver makes of a logout that reaches it. */
export interface Truth {
  readonly outcome: 'ended' | 'unconfirmed'
  readonly proof: 'signed-answer' | 'authenticated-2xx' | 'keyed-answer' | 'browser-return' | 'none'
  /** It is told through the browser. */
  readonly byBrowser: boolean
  /** It finds its session by a cookie of its own in a frame: only where the browser lets it. */
  readonly needsCookieInFrame?: true
}

const signed = { outcome: 'ended', proof: 'signed-answer' } as const
const silent = { outcome: 'unconfirmed', proof: 'none', byBrowser: true, needsCookieInFrame: true } as const

/** One receiver of each kind by its id, and what is true of it. */
export const truths: Readonly<Record<string, Truth>> = {
  'saml-redirect': { ...signed, byBrowser: true },
  'saml-post': { ...signed, byBrowser: true },
  'saml-artifact': { ...signed, byBrowser: true },
  'saml-frame': { ...signed, byBrowser: true },
  'saml-soap': { ...signed, byBrowser: false },
  'oidc-back': { outcome: 'ended', proof: 'authenticated-2xx', byBrowser: false },
  'oidc-front': silent,
  'oidc-image': silent,
  'oidc-picture': silent,
  opentoken: { outcome: 'ended', proof: 'browser-return', byBrowser: true },
  'opentoken-answer': { outcome: 'ended', proof: 'keyed-answer', byBrowser: true },
  campus: { ...signed, byBrowser: true },
  'campus-soap': { ...signed, byBrowser: false },
  'campus-post': { ...signed, byBrowser: true },
  'campus-artifact': { ...signed, byBrowser: true },
  social: { ...signed, byBrowser: true },
  // It ends its session, and says nothing that would prove it.
  'social-bare': { outcome: 'unconfirmed', proof: 'none', byBrowser: true }
}

export async function createReceivers(clock: Clock, kit: () => Kit): Promise<Receivers> {
  const parts = { clock, kit }
  const client = (id: string, way: ClientWay): OpenIdClient => createOpenIdClient({ ...parts, id, way })
  return {
    saml: await Promise.all([
      createSamlApplication({ ...parts, id: 'saml-redirect', slo: ['redirect'] }),
      createSamlApplication({ ...parts, id: 'saml-post', slo: ['post'] }),
      createSamlApplication({ ...parts, id: 'saml-artifact', slo: ['artifact'] }),
      createSamlApplication({ ...parts, id: 'saml-frame', slo: ['redirect'], frames: true }),
      createSamlApplication({ ...parts, id: 'saml-soap', slo: ['soap'] })
    ]),
    openId: [client('oidc-back', 'back-channel'), client('oidc-front', 'front-channel'), client('oidc-image', 'image'), client('oidc-picture', 'picture')],
    openToken: [
      createOpenTokenApplication({ ...parts, id: 'opentoken', confirmation: 'return' }),
      createOpenTokenApplication({ ...parts, id: 'opentoken-answer', confirmation: 'answer' })
    ],
    samlUpstreams: [
      createSamlUpstream({ ...parts, id: 'campus', slo: ['redirect'] }),
      createSamlUpstream({ ...parts, id: 'campus-soap', slo: ['soap'] }),
      createSamlUpstream({ ...parts, id: 'campus-post', slo: ['post'] }),
      createSamlUpstream({ ...parts, id: 'campus-artifact', slo: ['artifact'] })
    ],
    openIdUpstreams: [createOpenIdUpstream({ ...parts, id: 'social', confirms: true }), createOpenIdUpstream({ ...parts, id: 'social-bare', confirms: false })]
  }
}

/** Who takes part, and by whom the user came in. */
export interface Crowd {
  readonly name: string
  readonly applications: readonly string[]
  readonly upstream: 'campus' | 'campus-soap' | 'campus-post' | 'campus-artifact' | 'social' | 'social-bare'
  /** It is about the upstream: whoever starts has none of its own, and nobody here needs a cookie in a frame. */
  readonly isOfUpstream?: true
}

const provable = ['saml-redirect', 'saml-post', 'saml-artifact', 'saml-frame', 'saml-soap', 'oidc-back', 'opentoken', 'opentoken-answer']

/** With silent receivers nobody is told of success; with provable ones everybody is; by servers alone it needs no browser. */
export const crowds: readonly Crowd[] = [
  { name: 'everybody', applications: [...provable, 'oidc-front', 'oidc-image', 'oidc-picture'], upstream: 'social' },
  { name: 'everybody who can prove it', applications: provable, upstream: 'campus' },
  { name: 'servers', applications: ['saml-soap', 'oidc-back'], upstream: 'campus-soap' },
  { name: 'a provider upstream by POST', applications: ['saml-soap', 'oidc-back'], upstream: 'campus-post', isOfUpstream: true },
  { name: 'a provider upstream by Artifact', applications: ['saml-soap', 'oidc-back'], upstream: 'campus-artifact', isOfUpstream: true },
  { name: 'a provider upstream that does not confirm', applications: ['saml-soap', 'oidc-back'], upstream: 'social-bare', isOfUpstream: true }
]
