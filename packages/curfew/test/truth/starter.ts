import assert from 'node:assert/strict'
import { authorityUrl } from '../authority/partner.ts'
import type { KeptSession } from './journal.ts'
import type { OpenIdUpstream } from './openid-upstream.ts'
import type { SamlApplication } from './saml-application.ts'
import type { SamlUpstream } from './saml-upstream.ts'
import type { Said } from './saml-voice.ts'
import type { World } from './world.ts'

/** One signed-in user with everybody who takes part. */
export interface Scene {
  readonly world: World
  readonly user: string
  readonly upstream: SamlUpstream | OpenIdUpstream
  /** What each application keeps of the user, by its id. */
  readonly sessions: ReadonlyMap<string, KeptSession>
  saml(id: string): SamlApplication
  /** Address of an application's or a provider's first page. */
  home(id: string): string
}

/** Where a browser goes to start, and the page it comes from. */
export interface Start {
  readonly url: string
  readonly referer?: string
}

/** Whoever ends the session. */
export interface Starter {
  readonly name: string
  /** Application that starts, or has to be there; it takes part even where the crowd has none of its kind. */
  readonly application?: string
  /** The upstream that starts. */
  readonly upstream?: string
  /** It is the starter of the run itself: nobody tells it. */
  readonly isNotTold?: true
  /** By the session's browser. */
  readonly address?: (scene: Scene) => Start
  /** Without any browser. */
  readonly act?: (scene: Scene) => Promise<unknown>
  /** The status that the starter was given; absent: it is given none. */
  readonly said?: (scene: Scene) => Said | undefined
  /** The answer goes out before any browser was there. */
  readonly isAnsweredAtOnce?: true
  /** Nobody is told. */
  readonly isLocal?: true
  /** The browser is at a page of its own then and comes to the authority later. */
  readonly staysAway?: true
}

function samlStarter(name: string, application: string, query: string): Starter {
  return {
    name,
    application,
    isNotTold: true,
    address: ({ home }) => ({ url: `${home(application)}start?${query}` }),
    said: (scene) => saidTo(scene, application)
  }
}

function saidTo(scene: Scene, application: string): Said | undefined {
  return scene.saml(application).voice.answers.get(scene.sessions.get(application)?.cookie ?? '')
}

/** The upstream of the scene, as one by SAML. */
export function samlUpstreamOf({ upstream }: Scene): SamlUpstream {
  return 'voice' in upstream ? upstream : assert.fail('another protocol')
}

function openIdUpstreamOf({ upstream }: Scene): OpenIdUpstream {
  return 'tell' in upstream ? upstream : assert.fail('another protocol')
}

function keptUpstream(scene: Scene): KeptSession {
  return scene.upstream.journal.ofUser(scene.user) ?? assert.fail(scene.user)
}

const saidUpstream = (scene: Scene): Said | undefined => samlUpstreamOf(scene).voice.answers.get(keptUpstream(scene).cookie)
const pingOneDoor = `door=${encodeURIComponent(`${authorityUrl}/sso/SLO.saml2`)}`

/** The live session of the user at the authority. */
export async function sessionIdOf({ world, user }: Scene) {
  const { items } = await world.kit.store.listSessions({ state: 'live', limit: 100, nowMs: world.kit.clock.nowMs() })
  return items.find(({ session }) => session.username === user)?.session.id ?? assert.fail(`${user} is not signed in`)
}

/** Everybody who can start a logout. */
export const starters: readonly Starter[] = [
  samlStarter('SAML application by Redirect', 'saml-redirect', 'binding=redirect'),
  samlStarter('SAML application by POST', 'saml-post', 'binding=post'),
  samlStarter('SAML application by Artifact', 'saml-artifact', 'binding=artifact'),
  {
    name: 'SAML application by SOAP',
    application: 'saml-soap',
    isNotTold: true,
    isAnsweredAtOnce: true,
    act: (scene) => scene.saml('saml-soap').voice.startBySoap(scene.sessions.get('saml-soap') ?? assert.fail('not signed in')),
    said: (scene) => saidTo(scene, 'saml-soap')
  },
  // Its only address is by SOAP: no LogoutResponse can go back, and the browser stays at the authority.
  {
    name: 'SAML application that has SOAP only, by Redirect',
    application: 'saml-soap',
    isNotTold: true,
    address: ({ home }) => ({ url: `${home('saml-soap')}start?binding=redirect` })
  },
  {
    name: 'SAML provider upstream by Redirect',
    upstream: 'campus',
    isNotTold: true,
    address: ({ user, home }) => ({ url: `${home('campus')}start?user=${user}` }),
    said: saidUpstream
  },
  {
    name: 'SAML provider upstream by SOAP',
    upstream: 'campus',
    isNotTold: true,
    isAnsweredAtOnce: true,
    act: (scene) => samlUpstreamOf(scene).voice.startBySoap(keptUpstream(scene)),
    said: saidUpstream
  },
  { name: 'OpenID provider upstream by back channel', upstream: 'social', isNotTold: true, act: (scene) => openIdUpstreamOf(scene).tell(scene.user) },
  {
    name: 'OpenID provider upstream by front channel',
    upstream: 'social',
    isNotTold: true,
    staysAway: true,
    address: ({ user, home }) => ({ url: `${home('social')}out?user=${user}` })
  },
  {
    name: 'OpenToken application',
    application: 'opentoken',
    address: ({ home }) => ({ url: `${authorityUrl}/sp/startSLO.ping?SpSessionAuthnAdapterId=opentoken`, referer: home('opentoken') })
  },
  { name: 'OpenID client, RP-initiated', application: 'oidc-back', address: ({ home }) => ({ url: `${home('oidc-back')}start` }) },
  samlStarter('PingOne /sso/SLO.saml2, application', 'saml-redirect', pingOneDoor),
  {
    name: 'PingOne /sso/SLO.saml2, provider upstream',
    upstream: 'campus',
    isNotTold: true,
    address: ({ user, home }) => ({ url: `${home('campus')}start?user=${user}&${pingOneDoor}` }),
    said: saidUpstream
  },
  { name: 'PingOne /sso/initslo/', application: 'opentoken', address: ({ home }) => ({ url: `${authorityUrl}/sso/initslo/`, referer: home('opentoken') }) },
  {
    name: 'PingOne /sso/terminatesession',
    application: 'opentoken',
    isLocal: true,
    address: ({ home }) => ({ url: `${authorityUrl}/sso/terminatesession`, referer: home('opentoken') })
  },
  {
    name: 'the person at the authority',
    application: 'opentoken',
    address: ({ home }) => ({ url: `${authorityUrl}/idp/startSLO.ping`, referer: home('opentoken') })
  },
  {
    name: 'administrator',
    act: async (scene) =>
      scene.world.kit.ctx.engine.endSessions({
        scope: { kind: 'session', sessionId: await sessionIdOf(scene) },
        reason: 'admin',
        by: { kind: 'admin', id: 'test' },
        starter: { kind: 'none' },
        browser: 'absent'
      })
  }
]

/** The idle limit of the session passes; everybody who is signed in then is signed out. */
export const expiry: Starter = { name: 'expiry' }
