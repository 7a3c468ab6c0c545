import type { Config } from './schema.ts'

/** An OpenID client with an address for logout tokens that none is sent to. */
export interface AddressProblem {
  readonly path: readonly (string | number)[]
  readonly what: string
  readonly fix: string
}

/** An address alone sends nothing: `modes` does. `none` there says that this is meant. */
export function addressProblems({ connections }: Pick<Config, 'connections'>): readonly AddressProblem[] {
  return connections.flatMap((one, i) => {
    if (one.protocol !== 'oidc' || one.logout?.backChannelUri === undefined) return []
    if (one.logout.modes.some((mode) => mode === 'backChannel' || mode === 'none')) return []
    return [
      {
        path: ['connections', i, 'logout', 'backChannelUri'],
        what: 'no logout token is sent there: backChannel is not in logout.modes.',
        fix: 'Add backChannel to logout.modes, or leave backChannelUri out.'
      }
    ]
  })
}
