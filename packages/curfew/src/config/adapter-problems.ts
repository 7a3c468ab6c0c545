import type { Config } from './schema.ts'

/** Settings of one OpenToken adapter that can not be used together. */
export interface AdapterProblem {
  readonly path: readonly (string | number)[]
  readonly what: string
  readonly fix: string
}

type Adapter = Extract<Config['connections'][number] | Config['identityProviders'][number], { readonly protocol: 'opentoken' }>

/** Query parameter that carries a reference; the token has a name of its own. */
const referenceParameter = 'REF'
const tokenNameDefault = 'opentoken'

export function adapterProblems({ connections, identityProviders }: Config): readonly AdapterProblem[] {
  const at = (list: string) => (one: Config['connections'][number] | Config['identityProviders'][number], i: number) =>
    one.protocol === 'opentoken' ? problemsOf(one).map(({ path, ...rest }) => ({ ...rest, path: [list, i, ...path] })) : []
  return [...connections.flatMap(at('connections')), ...identityProviders.flatMap(at('identityProviders'))]
}

function problemsOf(adapter: Adapter): readonly AdapterProblem[] {
  const { transport, reference, tokenName = tokenNameDefault } = adapter
  const problems: AdapterProblem[] = []
  if (transport === 'reference' && reference === undefined)
    problems.push({ path: ['transport'], what: 'nobody could pick anything up: no reference is given.', fix: 'Add reference.username and reference.password.' })
  if (adapter.cookie?.sameSite === 'none' && adapter.cookie.secure === false)
    problems.push({
      path: ['cookie', 'sameSite'],
      what: 'browsers drop a cookie with SameSite=None that is not Secure.',
      fix: 'Leave secure out, or choose lax.'
    })
  if ('authenticationService' in adapter) return problems
  const { subject, accountLinkService, subjectParameter } = adapter
  if (subject !== undefined && accountLinkService !== undefined)
    problems.push({ path: ['subject'], what: 'accountLinkService says what the application calls people, too.', fix: 'Leave one of the two out.' })
  if (subjectParameter === tokenName || subjectParameter === referenceParameter)
    problems.push({ path: ['subjectParameter'], what: `the parameter ${subjectParameter} carries the token.`, fix: 'Choose another name.' })
  return problems
}
