import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Collects what became garbage just now, in about a millisecond; what lives longer is not looked at. The engine does so by
 * itself when objects fill its young generation: octets that were read lie elsewhere, and 60 MB of them wait until then.
 */
export function youngCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void
  setFlagsFromString('--no-expose-gc')
  return () => collect({ type: 'minor' })
}
