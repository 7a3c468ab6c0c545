import * as client from 'openid-client'
import type { BrowserInstruction, Sender, SendRequest } from '../../engine/sender.ts'
import type { Ids } from '../../platform/ids.ts'
import type { Store } from '../../stores/store.ts'
import { keptIdToken } from '../upstream/id-token.ts'
import { oidcRpUrl } from './endpoints.ts'
import type { OpenIdUpstreams } from './upstreams.ts'

export interface UpstreamSenderDeps {
  readonly baseUrl: string
  readonly upstreams: Pick<OpenIdUpstreams, 'byId' | 'configuration'>
  readonly ids: Ids
  readonly store: Pick<Store, 'getArtifact'>
}

/** Sends browsers to the end-session address of OpenID providers upstream. */
export function createUpstreamSender(deps: UpstreamSenderDeps): Sender {
  return {
    protocol: 'oidc',
    role: 'upstream',
    newMessageId: () => deps.ids.message(),
    send: async () => ({ kind: 'failed', why: 'unreachable', code: 'CURFEW_RUN_NO_CHANNEL', retryable: false }),
    prepareBrowser: (request) => prepareBrowser(deps, request)
  }
}

/** `state` is the id of the message: it brings the browser back to its run. @see OpenID RP-Initiated Logout 1.0 section 2 */
async function prepareBrowser(deps: UpstreamSenderDeps, { delivery, run, messageId, nowMs }: SendRequest): Promise<BrowserInstruction> {
  const configuration = await deps.upstreams.configuration(delivery.peerId)
  const idToken = await keptIdToken(deps, run.sessionId, delivery.participantId, nowMs)
  const url = client.buildEndSessionUrl(configuration, {
    post_logout_redirect_uri: oidcRpUrl(deps, 'loggedOut', delivery.peerId),
    state: messageId,
    ...(idToken === undefined ? {} : { id_token_hint: idToken })
  })
  return { method: 'redirect', url: url.href }
}
