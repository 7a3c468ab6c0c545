import { decideRedirect, type RedirectDecision, type RedirectRule } from './redirect.ts'

/** What a landing address is wanted for; one switch and one flag of an entry each, as in the replaced product. */
export type RedirectUse = 'sso' | 'slo' | 'idpDiscovery' | 'errorResource'

export const redirectUses: readonly RedirectUse[] = ['sso', 'slo', 'idpDiscovery', 'errorResource']

/** One entry of the allow-list, good for the uses that it names and no other. */
export interface RedirectEntry extends RedirectRule {
  readonly uses: readonly RedirectUse[]
}

/** Which landing addresses this authority follows. */
export interface RedirectPolicy {
  /** False: addresses for this use are not looked up in the list. Their form is judged all the same. */
  readonly validate: Readonly<Record<RedirectUse, boolean>>
  readonly allow: readonly RedirectEntry[]
  /** Default landing pages of the configuration: allowed for every use. */
  readonly always: readonly string[]
}

/** Decides about one landing parameter by the entries for its use. */
export function decideByPolicy(policy: RedirectPolicy, use: RedirectUse, raw: string | undefined): RedirectDecision {
  const list = policy.validate[use] ? policy.allow.filter(({ uses }) => uses.includes(use)) : 'unchecked'
  return decideRedirect(raw, { list, exact: policy.always })
}
