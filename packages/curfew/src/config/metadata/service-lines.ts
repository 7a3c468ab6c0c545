import { bindingFromUri, type Endpoint, type IDPRole, type SPRole } from '@curfew/codecs'
import type { DraftLine } from '../imports/draft.ts'

interface ServiceLines {
  readonly lines: readonly DraftLine[]
  readonly unusable?: string
}

/** Where assertions go: by POST or by Artifact. */
export function consumerLines(about: string, { assertionConsumerServices }: SPRole): ServiceLines {
  const bindings = assertionConsumerServices.map(({ binding }) => bindingFromUri(binding))
  const hasPost = bindings.includes('post')
  const lines = assertionConsumerServices.map((service): DraftLine => {
    const binding = bindingFromUri(service.binding)
    const what = `AssertionConsumerService ${shortBinding(service)}`
    if (binding === 'post') return { about, what, verdict: 'imported', note: service.location }
    if (binding !== 'artifact') return { about, what, verdict: 'unsupported', note: `${service.location}: assertions go by HTTP POST or Artifact only` }
    if (hasPost) return { about, what, verdict: 'imported', note: service.location }
    const note = `${service.location}: assertions go by artifact alone: its server has to reach /idp/ARS.ssaml2 of this one`
    return { about, what, verdict: 'approximated', note }
  })
  if (hasPost || bindings.includes('artifact')) return { lines }
  return { lines, unusable: 'it has no assertion consumer service by HTTP POST or Artifact' }
}

/** Where people are sent to sign in: Redirect first, then POST, then Artifact. */
export function signOnLines(about: string, { singleSignOnServices }: IDPRole): ServiceLines {
  const used = ['redirect', 'post', 'artifact'].find((one) => singleSignOnServices.some(({ binding }) => bindingFromUri(binding) === one))
  const lines = singleSignOnServices.map((service): DraftLine => {
    const binding = bindingFromUri(service.binding)
    const what = `SingleSignOnService ${shortBinding(service)}`
    if (binding === undefined || binding === 'soap')
      return { about, what, verdict: 'unsupported', note: `${service.location}: people are sent by Redirect, POST or Artifact only` }
    if (binding === used) return { about, what, verdict: 'imported', note: service.location }
    return { about, what, verdict: 'not-needed', note: `${service.location}: ${used ?? ''} is used; sso chooses another` }
  })
  return used === undefined ? { lines, unusable: 'it has no single sign-on service by HTTP Redirect, POST or Artifact' } : { lines }
}

/** Where logout messages go, and what a partner without such an address is shown as. */
export function logoutLines(about: string, { singleLogoutServices }: Pick<SPRole | IDPRole, 'singleLogoutServices'>): readonly DraftLine[] {
  const lines = singleLogoutServices.map((service): DraftLine => {
    const what = `SingleLogoutService ${shortBinding(service)}`
    const answers = service.responseLocation === undefined ? '' : `, answers to ${service.responseLocation}`
    if (bindingFromUri(service.binding) !== undefined) return { about, what, verdict: 'imported', note: `${service.location}${answers}` }
    return { about, what, verdict: 'unsupported', note: `${service.location}: this binding is not served` }
  })
  const known = singleLogoutServices.flatMap(({ binding }) => bindingFromUri(binding) ?? [])
  if (known.length === 0) {
    const note = 'it publishes no address for logout: its sessions are shown as not possible'
    return [...lines, { about, what: 'logout', verdict: 'approximated', setting: 'slo', note }]
  }
  if (known.some((binding) => binding !== 'soap')) return lines
  const note = 'by SOAP alone: a logout that it starts through the browser ends everything, but no answer goes back'
  return [...lines, { about, what: 'logout', verdict: 'approximated', setting: 'slo', note }]
}

/** Where its artifacts are exchanged for messages. */
export function artifactLines(about: string, { artifactResolutionServices }: Pick<SPRole | IDPRole, 'artifactResolutionServices'>): readonly DraftLine[] {
  return (artifactResolutionServices ?? []).map((service): DraftLine => {
    const what = `ArtifactResolutionService ${shortBinding(service)}`
    if (bindingFromUri(service.binding) === 'soap') return { about, what, verdict: 'imported', note: service.location }
    return { about, what, verdict: 'unsupported', note: `${service.location}: artifacts are exchanged by SOAP 1.1 only` }
  })
}

/** The last part of the identifier of a binding: `HTTP-POST`. */
function shortBinding({ binding }: Endpoint): string {
  return binding.split(':').at(-1)?.slice(0, 60) || 'without a binding'
}
