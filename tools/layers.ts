import { posix } from 'node:path'

/** How far an import may reach: `types` disappear when the types are stripped. */
export type Reach = 'values' | 'types'

/** One part of the sources and what it may import; what is not listed is refused. */
export interface Layer {
  readonly folder: string
  readonly layers: Readonly<Record<string, Reach>>
  /** Packages from outside, by exact name; `node:*` and `*` stand for all of their kind. */
  readonly packages: Readonly<Record<string, Reach>>
}

const product = 'packages/curfew/src'
const libraries = { '*': 'values', 'node:*': 'values' } as const
/** Requests go out by `platform/outbound.ts` and `platform/ldap/` only, so nobody else holds a client. */
const noClients = { undici: 'types', ldapts: 'types', 'node:http': 'types', 'node:https': 'types', 'node:net': 'types', 'node:tls': 'types' } as const
const inside = { ...libraries, ...noClients } as const

/** Surfaces know each other only through the engine. */
function surface(name: string): Layer {
  return {
    folder: `${product}/${name}`,
    layers: { core: 'values', engine: 'values', stores: 'types', platform: 'values', config: 'types', errors: 'values', locales: 'values' },
    packages: inside
  }
}

/** Who may import whom; ARCHITECTURE.md says why. The implementations of a store are layers of their own. */
export const layers: Readonly<Record<string, Layer>> = {
  codecs: { folder: 'packages/codecs/src', layers: {}, packages: { jose: 'values', 'node:buffer': 'values', 'node:crypto': 'values', 'node:zlib': 'values' } },
  sdk: { folder: 'packages/sdk/src', layers: {}, packages: { '@curfew/codecs': 'values', 'node:crypto': 'types', 'node:http': 'types' } },
  core: { folder: `${product}/core`, layers: { errors: 'values' }, packages: { '@curfew/codecs': 'types' } },
  errors: { folder: `${product}/errors`, layers: {}, packages: { '@curfew/codecs': 'values' } },
  locales: { folder: `${product}/locales`, layers: {}, packages: {} },
  platform: { folder: `${product}/platform`, layers: { core: 'types', errors: 'values' }, packages: libraries },
  config: { folder: `${product}/config`, layers: { core: 'values', platform: 'values', errors: 'values' }, packages: inside },
  stores: { folder: `${product}/stores`, layers: { core: 'values', platform: 'values', errors: 'values' }, packages: inside },
  sqlite: storeImplementation('sqlite'),
  memory: storeImplementation('memory'),
  redis: storeImplementation('redis'),
  conformance: storeImplementation('conformance'),
  cluster: { folder: `${product}/cluster`, layers: { core: 'values', platform: 'values', errors: 'values', stores: 'types' }, packages: inside },
  engine: {
    folder: `${product}/engine`,
    layers: { core: 'values', stores: 'types', cluster: 'types', platform: 'values', errors: 'values' },
    packages: { '@curfew/codecs': 'values', jose: 'values', 'node:*': 'types' }
  },
  authority: surface('authority'),
  gateway: surface('gateway'),
  admin: surface('admin'),
  cli: { folder: `${product}/cli`, layers: { '*': 'values' }, packages: libraries },
  entry: { folder: product, layers: { '*': 'values' }, packages: libraries },
  demo: {
    folder: 'demo',
    layers: {},
    packages: { '@curfew/codecs': 'values', '@curfew/sdk': 'values', express: 'values', fastify: 'values', 'node:*': 'values' }
  }
}

function storeImplementation(name: string): Layer {
  return { folder: `${product}/stores/${name}`, layers: { stores: 'values', core: 'values', platform: 'values', errors: 'values' }, packages: inside }
}

/** Name of the layer a file belongs to: the one with the longest folder. */
export function layerOf(path: string): string | undefined {
  const names = Object.entries(layers).filter(([, { folder }]) => path.startsWith(`${folder}/`))
  return names.sort(([, a], [, b]) => b.folder.length - a.folder.length)[0]?.[0]
}

/** One import of a source file. */
export interface Import {
  readonly target: string
  readonly isType: boolean
  readonly line: number
}

/** Every import, re-export, dynamic import and `new URL(…, import.meta.url)` of a source text. */
export function importsOf(text: string): readonly Import[] {
  const patterns = [
    /^(?:import|export)\b(?<type> type\b)?(?<names>[^'"`;()]*?)\bfrom\s*'(?<target>[^']+)'/gm,
    /^import\s*'(?<target>[^']+)'/gm,
    /\bimport\(\s*'(?<target>[^']+)'/g,
    /\bnew URL\(\s*'(?<target>[^']+)'/g
  ]
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map(({ index, groups }) => ({
      target: groups?.['target'] ?? '',
      isType: groups?.['type'] !== undefined || isOnlyTypes(groups?.['names'] ?? ''),
      line: text.slice(0, index).split('\n').length
    }))
  )
}

/** `{ type A, type B }` imports nothing that lives when the program runs. */
function isOnlyTypes(names: string): boolean {
  const listed = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1]
  const all = (listed ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return all.length > 0 && all.every((name) => name.startsWith('type '))
}

/** Imports that the table does not allow, as sentences with file and line. */
export function layerProblems(sources: ReadonlyMap<string, string>): readonly string[] {
  return [...sources].flatMap(([path, text]) => {
    const name = layerOf(path)
    const layer = name === undefined ? undefined : layers[name]
    if (name === undefined || layer === undefined) return []
    return importsOf(text)
      .filter(({ target, isType }) => !reaches(isType, target.startsWith('.') ? reachInside(name, layer, path, target) : reachOutside(layer, target)))
      .map(
        ({ target, line, isType }) =>
          `${path}:${line} ${name} may not import ${target}${isType ? '' : ' (or its types only)'}; see the table in ARCHITECTURE.md`
      )
  })
}

function reaches(isType: boolean, reach: Reach | undefined): boolean {
  return reach === 'values' || (reach === 'types' && isType)
}

function reachInside(name: string, layer: Layer, path: string, target: string): Reach | undefined {
  const resolved = posix.join(posix.dirname(path), target)
  const other = layerOf(resolved)
  if (other === name) return 'values'
  // A manifest has the version; nothing else lies outside of the layers.
  if (other === undefined) return posix.basename(resolved) === 'package.json' ? 'values' : undefined
  return layer.layers[other] ?? layer.layers['*']
}

function reachOutside(layer: Layer, target: string): Reach | undefined {
  const name = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.startsWith('node:') ? target : (target.split('/')[0] ?? target)
  return layer.packages[name] ?? layer.packages[target.startsWith('node:') ? 'node:*' : '*']
}
