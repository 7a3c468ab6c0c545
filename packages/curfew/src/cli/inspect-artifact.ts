import { type CarriedArtifact, carriedArtifact, sourceIdOf } from '@curfew/codecs'
import type { SamlPartner } from '../authority/saml/connection.ts'
import type { Judgement } from './inspect-judgement.ts'
import type { Show } from './inspect-shorten.ts'
import type { Surroundings } from './inspect-surroundings.ts'

/** The artifact of an address, query or form; undefined where there is none. @throws CURFEW_SAML_ARTIFACT, CURFEW_SAML_QUERY */
export function artifactIn(text: string): CarriedArtifact | undefined {
  if (!/(^|[?&])SAMLart=/.test(text)) return undefined
  const at = text.indexOf('?')
  return carriedArtifact(new URLSearchParams((at < 0 ? text : text.slice(at + 1)).split('#')[0]))
}

/** What a person sees of an artifact. Its handle is worth as much as the message: it is shortened. */
export function artifactFields({ artifact, relayState }: CarriedArtifact, show: Show): Readonly<Record<string, string>> {
  return {
    EndpointIndex: String(artifact.endpointIndex),
    SourceID: artifact.sourceId,
    MessageHandle: show(artifact.messageHandle),
    ...(relayState === undefined ? {} : { RelayState: show(relayState) })
  }
}

/** Whose it is, and where it is exchanged. Nothing is asked: an artifact is good once. */
export function judgeArtifact({ artifact }: CarriedArtifact, surroundings: Surroundings | undefined): readonly Judgement[] {
  const what = 'issuer'
  if (surroundings === undefined) return [{ what, verdict: 'unknown', why: 'the SourceID is a hash of the entity ID; run it where curfew.yaml is to compare' }]
  if (artifact.sourceId === sourceIdOf(surroundings.entityId))
    return [{ what, verdict: 'ok', why: `this authority; the partner exchanges it at /idp/ARS.ssaml2 or /sp/ARS.ssaml2` }]
  const partners = surroundings.partners.filter(({ sourceId }) => sourceId === artifact.sourceId)
  if (partners.length === 0) return [{ what, verdict: 'fail', why: 'no configured partner has this SourceID' }]
  return [{ what, verdict: 'ok', why: partners.map(({ id }) => id).join(', ') }, judgeWay(partners, artifact.endpointIndex)]
}

function judgeWay(partners: readonly SamlPartner[], index: number): Judgement {
  const what = 'resolution'
  if (partners.every(({ incomingBindings }) => !incomingBindings.has('artifact')))
    return { what, verdict: 'fail', why: 'the connection takes no artifacts: incomingBindings' }
  const service = partners.flatMap(({ artifactResolution }) => artifactResolution).find((one) => one.index === index)
  if (service === undefined) return { what, verdict: 'fail', why: `CURFEW_SAML_ARTIFACT_ENDPOINT: the connection has no resolution address of index ${index}` }
  return { what, verdict: 'ok', why: `exchanged at ${service.url}` }
}
