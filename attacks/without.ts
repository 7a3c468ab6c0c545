import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Edit, edited } from './attack.ts'

/** Loaded before a test (`--import`): the sources named in `CURFEW_WITHOUT` are read with a defence taken away. */
const root = fileURLToPath(new URL('..', import.meta.url))
const edits = JSON.parse(process.env['CURFEW_WITHOUT'] ?? '[]') as readonly Edit[]

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const wanted = url.startsWith('file:') ? edits.filter(({ file }) => fileURLToPath(url) === root + file) : []
    if (wanted.length === 0) return loaded
    const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8')
    return { ...loaded, source: wanted.reduce(edited, source) }
  }
})
