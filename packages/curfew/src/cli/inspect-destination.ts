import type { Received } from '@curfew/codecs'
import type { SamlPartner } from '../authority/saml/connection.ts'
import { artifactResolutionUrl, assertionConsumerUrl, singleLogoutSoapUrl, singleLogoutUrl, singleSignOnUrl } from '../authority/saml/endpoints.ts'
import type { SamlRole } from '../authority/saml/settings.ts'
import type { Judgement } from './inspect-judgement.ts'

/** What is known of a message before it is believed. */
export interface Addressed extends Pick<Received, 'kind' | 'binding' | 'isSigned'> {
  readonly destination?: string
  /** Where it was sent, as far as the input tells. */
  readonly sentTo?: string
}

/** Who should have received it. */
export interface Recipient {
  /** `this authority`, or the name of a partner. */
  readonly name: string
  readonly answersAt: readonly string[]
}

const what = 'destination'

/**
 * Compares the Destination with the addresses of the one it is for, to the letter.
 * @param recipient - undefined where no configuration tells
 * @see saml-core-2.0-os section 3.2.1, saml-bindings-2.0-os sections 3.4.5.2 and 3.5.5.2
 */
export function judgeDestination(message: Addressed, recipient: Recipient | undefined): Judgement {
  const { destination, sentTo } = message
  if (destination === undefined) return judgeAbsence(message, recipient)
  if (sentTo !== undefined && sentTo !== destination) return { what, verdict: 'fail', why: `addressed to ${destination}, but sent to ${sentTo}` }
  if (recipient === undefined) return { what, verdict: 'unknown', why: `addressed to ${destination}; run it where curfew.yaml is to compare` }
  if (recipient.answersAt.includes(destination)) return { what, verdict: 'ok', why: `${recipient.name} answers at ${destination}` }
  return { what, verdict: 'fail', why: `addressed to ${destination}, ${recipient.name} answers at ${recipient.answersAt.join(' or ') || 'no address for it'}` }
}

/** An answer in the same exchange needs no address, and what is not signed can't be passed on to somebody else. */
function judgeAbsence({ kind, binding, isSigned }: Addressed, recipient: Recipient | undefined): Judgement {
  if (binding === 'soap' && kind !== 'LogoutRequest')
    return {
      what,
      verdict: 'ok',
      why: kind === 'ArtifactResolve' ? 'none is named, and a request by SOAP for an artifact needs none' : 'none is named, and an answer by SOAP needs none'
    }
  if (kind === 'AuthnRequest' && !isSigned) return { what, verdict: 'ok', why: 'none is named, and an unsigned request needs none' }
  if (kind === 'Response' && !isSigned) return { what, verdict: 'ok', why: 'none is named, and a Response that is not signed itself needs none' }
  return { what, verdict: 'fail', why: `none is named${recipient === undefined ? '' : `, ${recipient.name} answers at ${recipient.answersAt.join(' or ')}`}` }
}

/** Where this authority takes such a message. @param roles - what it is towards the sender; both when that is unknown */
export function ownAddresses({ kind, binding }: Pick<Addressed, 'kind' | 'binding'>, baseUrl: string, roles: readonly SamlRole[]): readonly string[] {
  const deps = { baseUrl }
  switch (kind) {
    case 'AuthnRequest':
      return [singleSignOnUrl(deps)]
    case 'Response':
      return [assertionConsumerUrl(deps)]
    case 'LogoutRequest':
    case 'LogoutResponse':
      return roles.map((own) => (binding === 'soap' ? singleLogoutSoapUrl(deps, own) : singleLogoutUrl(deps, own)))
    case 'ArtifactResolve':
      return roles.map((own) => artifactResolutionUrl(deps, own))
    case 'ArtifactResponse':
      return []
  }
}

/** Where a partner takes such a message of ours. */
export function partnerAddresses({ kind, binding }: Pick<Addressed, 'kind' | 'binding'>, partner: SamlPartner): readonly string[] {
  switch (kind) {
    case 'AuthnRequest':
      return partner.role === 'idp' ? [partner.singleSignOn.url] : []
    case 'Response':
      return partner.role === 'sp' ? partner.consumers.map(({ url }) => url) : []
    case 'LogoutRequest':
      return partner.logoutServices.filter((service) => service.binding === binding).map(({ url }) => url)
    case 'LogoutResponse':
      return (binding === 'soap' ? partner.logoutServices : partner.answerServices)
        .filter((service) => service.binding === binding)
        .map(({ url, responseUrl }) => responseUrl ?? url)
    case 'ArtifactResolve':
      return partner.artifactResolution.map(({ url }) => url)
    case 'ArtifactResponse':
      return []
  }
}
