import { readFileSync } from 'node:fs'
import { CurfewError } from '@curfew/codecs'
import type { AdapterLogout } from '../authority/ext/adapter-logout.ts'
import { makeApplicationAdapter, makeLoginAdapter } from '../authority/opentoken/adapter.ts'
import { type Adapters, fixedAdapters } from '../authority/opentoken/adapters.ts'
import { slot } from '../authority/pages/brand.ts'
import type { Config } from '../config/schema.ts'

/** The OpenToken adapter instances of a configuration. @throws CURFEW_CONFIG_CONNECTION */
export function makeAdapters({ connections, identityProviders }: Pick<Config, 'connections' | 'identityProviders'>): Adapters {
  return fixedAdapters([
    ...connections.filter((one) => one.protocol === 'opentoken').map((one) => makeApplicationAdapter(one)),
    ...identityProviders.filter((one) => one.protocol === 'opentoken').map((one) => makeLoginAdapter(one))
  ])
}

/** Logout paths of the form and of login applications. @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_BRAND_MARKUP */
export function adapterLogouts({ signOn, identityProviders }: Pick<Config, 'signOn' | 'identityProviders'>): readonly AdapterLogout[] {
  const form = signOn.adapterLogout === undefined ? [] : [{ sourceId: signOn.sourceId, settings: signOn.adapterLogout }]
  const logins = identityProviders.flatMap((one) =>
    one.protocol === 'opentoken' && one.adapterLogout !== undefined ? [{ sourceId: one.id, settings: one.adapterLogout }] : []
  )
  return [...form, ...logins].map(({ sourceId, settings: { path, redirectUrl, template } }) => ({
    sourceId,
    path,
    ...(redirectUrl === undefined ? {} : { redirectUrl }),
    ...(template === undefined ? {} : { template: slot(readTemplate(template), 'template') })
  }))
}

function readTemplate(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path }, { cause })
  }
}
