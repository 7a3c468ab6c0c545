import type { Clock } from '../../src/platform/clock.ts'
import type { Kit } from '../authority/kit.ts'
import type { Behaviour, HostileBehaviour } from './behaviour.ts'
import { createOpenIdClient } from './openid-client.ts'
import { createOpenIdUpstream } from './openid-upstream.ts'
import { createOpenTokenApplication } from './opentoken-application.ts'
import { createSamlApplication } from './saml-application.ts'
import { createSamlUpstream } from './saml-upstream.ts'
import type { Participant } from './hostile-world.ts'

export interface ChannelParts {
  readonly id: string
  readonly port: number
  readonly clock: Clock
  readonly behaviour: Behaviour
  kit(): Kit
}

/** One way in which a participant is told of a logout. */
export interface Channel {
  readonly name: string
  /** How it is told: by this server, in a frame or picture of its page, by a visit of the browser. */
  readonly kind: 'server' | 'frame' | 'hop'
  /** It signs people in for the authority. Absent: an application. */
  readonly role?: 'upstream'
  /** Behaviours without a meaning here, and why. */
  readonly impossible: Readonly<Partial<Record<HostileBehaviour, string>>>
  create(parts: ChannelParts): Promise<Participant>
}

const noBrowser = 'no browser is sent there'
const bareStatus = 'the answer is an HTTP status, nothing in it is signed or refers to a request'
const oneStatus = 'an HTTP exchange has one answer, and there is no other way to give it'
const silent = 'no answer can be given in a frame or a picture'
const bareReturn = 'a bare return says nothing that could be signed, or wrong, or partial'

const stateOnly = 'a bare return carries the state of the request, and nothing that could be signed or partial'

const tokenOnly = 'a logout token says that the session has ended, or does not come'

const frame: Channel['impossible'] = {
  'never returns the browser': 'the browser stays at the page of this authority',
  'wrong signature': silent,
  'wrong InResponseTo': silent,
  'partial logout of its own': silent,
  'answers twice': silent,
  'answers over another binding': silent
}

/** Every way to tell a participant. */
export const channels = {
  'saml-redirect': {
    name: 'SAML Redirect',
    kind: 'hop',
    impossible: {},
    create: (parts) => createSamlApplication({ ...parts, slo: ['redirect'] })
  },
  'saml-post': { name: 'SAML POST', kind: 'hop', impossible: {}, create: (parts) => createSamlApplication({ ...parts, slo: ['post'] }) },
  'saml-artifact': { name: 'SAML Artifact', kind: 'hop', impossible: {}, create: (parts) => createSamlApplication({ ...parts, slo: ['artifact'] }) },
  'saml-frame': {
    name: 'SAML Redirect in a frame',
    kind: 'frame',
    impossible: {},
    create: (parts) => createSamlApplication({ ...parts, slo: ['redirect'], frames: true })
  },
  'saml-soap': {
    name: 'SAML SOAP',
    kind: 'server',
    impossible: { 'never returns the browser': noBrowser },
    create: (parts) => createSamlApplication({ ...parts, slo: ['soap'] })
  },
  'oidc-back': {
    name: 'OpenID back channel',
    kind: 'server',
    impossible: {
      'never returns the browser': noBrowser,
      'wrong signature': bareStatus,
      'wrong InResponseTo': bareStatus,
      'answers twice': oneStatus,
      'answers over another binding': oneStatus
    },
    create: async (parts) => createOpenIdClient({ ...parts, way: 'back-channel' })
  },
  'oidc-front': {
    name: 'OpenID front channel',
    kind: 'frame',
    impossible: frame,
    create: async (parts) => createOpenIdClient({ ...parts, way: 'front-channel' })
  },
  'oidc-image': {
    name: 'PingFederate front channel, image',
    kind: 'frame',
    impossible: frame,
    create: async (parts) => createOpenIdClient({ ...parts, way: 'image' })
  },
  picture: {
    name: 'gateway logout.png',
    kind: 'frame',
    impossible: frame,
    create: async (parts) => createOpenIdClient({ ...parts, way: 'picture' })
  },
  opentoken: {
    name: 'OpenToken logout service, answer token',
    kind: 'hop',
    impossible: {},
    create: async (parts) => createOpenTokenApplication({ ...parts, confirmation: 'answer' })
  },
  'opentoken-bare': {
    name: 'OpenToken logout service, bare return',
    kind: 'hop',
    impossible: { 'wrong signature': bareReturn, 'wrong InResponseTo': bareReturn, 'partial logout of its own': bareReturn },
    create: async (parts) => createOpenTokenApplication({ ...parts, confirmation: 'return' })
  },
  'upstream-saml': {
    name: 'SAML Redirect, identity provider upstream',
    kind: 'hop',
    role: 'upstream',
    impossible: {},
    create: async (parts) => createSamlUpstream({ ...parts, slo: ['redirect'] })
  },
  'upstream-saml-post': {
    name: 'SAML POST, identity provider upstream',
    kind: 'hop',
    role: 'upstream',
    impossible: {},
    create: async (parts) => createSamlUpstream({ ...parts, slo: ['post'] })
  },
  'upstream-saml-artifact': {
    name: 'SAML Artifact, identity provider upstream',
    kind: 'hop',
    role: 'upstream',
    impossible: {},
    create: async (parts) => createSamlUpstream({ ...parts, slo: ['artifact'] })
  },
  'upstream-soap': {
    name: 'SAML SOAP, identity provider upstream',
    kind: 'server',
    role: 'upstream',
    impossible: { 'never returns the browser': noBrowser },
    create: async (parts) => createSamlUpstream({ ...parts, slo: ['soap'] })
  },
  'upstream-oidc': {
    name: 'OpenID end session, provider upstream that confirms by a logout token',
    kind: 'hop',
    role: 'upstream',
    impossible: { 'partial logout of its own': tokenOnly, 'answers over another binding': tokenOnly },
    create: async (parts) => createOpenIdUpstream({ ...parts, confirms: true })
  },
  'upstream-oidc-bare': {
    name: 'OpenID end session, provider upstream that does not confirm',
    kind: 'hop',
    role: 'upstream',
    impossible: { 'wrong signature': stateOnly, 'partial logout of its own': stateOnly },
    create: async (parts) => createOpenIdUpstream({ ...parts, confirms: false })
  }
} as const satisfies Readonly<Record<string, Channel>>

export type ChannelId = keyof typeof channels
