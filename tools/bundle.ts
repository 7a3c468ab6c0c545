import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * The product as few files: command line, library, writer thread and demo. One process of it starts in half of the time
 * when its libraries are inside as well.
 *
 * @param outside - libraries that stay dependencies
 */
export async function bundleProduct(folder: string, outside: readonly string[] = []): Promise<void> {
  const source = join(root, 'packages/curfew/src')
  const bundle = await rolldown({
    input: {
      cli: join(source, 'cli/main.ts'),
      index: join(source, 'index.ts'),
      writer: join(source, 'stores/sqlite/writer.ts'),
      'demo/start': join(root, 'demo/start.ts')
    },
    platform: 'node',
    // The demo is loaded at run time from its own entry.
    external: (id) => id.startsWith('node:') || outside.some((name) => id === name || id.startsWith(`${name}/`)),
    logLevel: 'silent'
  })
  await bundle.write({ dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' })
  await bundle.close()
}
