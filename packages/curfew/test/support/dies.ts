import { registerHooks } from 'node:module'
import type { EngineDeps } from '../../src/engine/deps.ts'
import { createMortal, type Death } from './mortal.ts'

/**
 * Loaded into a server before anything of it (`--import`): the process kills itself, without any farewell, at the call of
 * its engine that `CURFEW_TEST_DEATH` names. The product has no place for this; its engine is given other parts.
 */
const engine = new URL('../../src/engine/engine.ts', import.meta.url).href
const anchor = /(export )?function createEngine\(deps(?:: EngineDeps\): Engine|\)) \{/

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    // In the bundled program the engine is a part of another file.
    if (url !== engine && !(url.startsWith('file:') && url.endsWith('.js') && !url.includes('/node_modules/'))) return loaded
    const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8')
    if (!anchor.test(source)) {
      if (url === engine) throw new TypeError(`engine.ts holds no "${anchor.source}" any more`)
      return loaded
    }
    const mortal = (exported = ''): string =>
      `import { mortalParts } from '${import.meta.url}'\n${exported}function createEngine(given) {\n  const deps = mortalParts(given)`
    return { ...loaded, source: source.replace(anchor, (_, exported?: string) => mortal(exported)) }
  }
})

/** What an engine works with, on a process that dies. */
export function mortalParts(deps: EngineDeps): EngineDeps {
  const death = process.env['CURFEW_TEST_DEATH']
  if (death === undefined) return deps
  return createMortal(deps, JSON.parse(death) as Death, () => process.kill(process.pid, 'SIGKILL')).deps
}
