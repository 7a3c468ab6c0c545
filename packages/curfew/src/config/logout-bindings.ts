import type { Config } from './schema.ts'

/** A SAML partner whose logout endpoints are all left out by the bindings that requests may go by. */
export interface BindingProblem {
  readonly path: readonly (string | number)[]
  readonly what: string
  readonly fix: string
}

type Partner = Extract<Config['connections'][number] | Config['identityProviders'][number], { readonly protocol: 'saml' }>
type Binding = NonNullable<Partner['slo']>[number]['binding']

/** Without an endpoint nobody tells the partner of a logout. An empty `slo` says that this is meant. */
export function bindingProblems({ connections, identityProviders }: Pick<Config, 'connections' | 'identityProviders'>): readonly BindingProblem[] {
  const at = (list: string) => (one: Config['connections'][number] | Config['identityProviders'][number], i: number) =>
    one.protocol === 'saml' && isLeftOut(one)
      ? [
          {
            path: [list, i, 'outgoingBindings'],
            what: `none of the endpoints in slo has one of these bindings (there: ${bindingsOf(one).join(', ')}): the partner would hear of no logout.`,
            fix: 'Leave outgoingBindings out, or list the binding of an endpoint in slo.'
          }
        ]
      : []
  return [...connections.flatMap(at('connections')), ...identityProviders.flatMap(at('identityProviders'))]
}

function isLeftOut(partner: Partner): boolean {
  const { outgoingBindings } = partner
  const bindings = bindingsOf(partner)
  return outgoingBindings !== undefined && bindings.length > 0 && !bindings.some((binding) => outgoingBindings.includes(binding))
}

function bindingsOf({ slo = [] }: Partner): readonly Binding[] {
  return [...new Set(slo.map(({ binding }) => binding))]
}
