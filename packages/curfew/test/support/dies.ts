import { registerHooks } from 'node:module'
import type { EngineDeps } from '../../src/engine/deps.ts'
import { createMortal, type Death } from './mortal.ts'

/**
 * Loaded into a server before anything of it (`--import`): the process kills itself, without any farewell, at the call of
 * its engine that `CURFEW_TEST_DEATH` names. The product has no place for this; its engine is given other parts.
 */
const engine = new URL('../../src/engine/engine.ts', import.meta.url).href
const anchor = 'export function createEngine(deps: EngineDeps): Engine {'

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (url !== engine) return loaded
    const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8')
    if (!source.includes(anchor)) throw new TypeError(`engine.ts holds no "${anchor}" any more`)
    const mortal = `import { mortalParts } from '${import.meta.url}'\nexport function createEngine(given: EngineDeps): Engine {\n  const deps = mortalParts(given)`
    return { ...loaded, source: source.replace(anchor, () => mortal) }
  }
})

/** What an engine works with, on a process that dies. */
export function mortalParts(deps: EngineDeps): EngineDeps {
  const death = process.env['CURFEW_TEST_DEATH']
  if (death === undefined) return deps
  return createMortal(deps, JSON.parse(death) as Death, () => process.kill(process.pid, 'SIGKILL')).deps
}
