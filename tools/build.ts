import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleProduct } from './bundle.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

/** JavaScript and types of one package, beside each other, with `.js` imports. */
function emit(folder: string): void {
  compile(folder, { outDir: join(dist, folder) }, { include: [join(root, 'packages', folder, 'src')] })
}

/** The types of the product, of what its entry reaches: its code is bundled. */
function emitProductTypes(): void {
  compile('curfew', { outDir: join(dist, 'curfew/types'), emitDeclarationOnly: true }, { files: [join(root, 'packages/curfew/src/index.ts')], include: [] })
}

function compile(folder: string, more: Readonly<Record<string, unknown>>, input: Readonly<Record<string, readonly string[]>>): void {
  const config = join(dist, `tsconfig.${folder}.json`)
  const options = {
    noEmit: false,
    declaration: true,
    rootDir: join(root, 'packages', folder, 'src'),
    rewriteRelativeImportExtensions: true,
    allowImportingTsExtensions: false,
    sourceMap: false,
    ...more
  }
  writeFileSync(config, JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions: options, ...input }))
  run('tsc', ['-p', config])
  rmSync(config)
}

/** The manifest that is published: no workspaces, real entries. */
function writeManifest(folder: string, more: Readonly<Record<string, unknown>>): void {
  const { scripts: _scripts, private: _private, exports: _exports, bin: _bin, ...kept } = readManifest(folder)
  const manifest = { ...kept, repository: undefined, files: ['**'], ...more }
  writeFileSync(join(dist, folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  for (const name of ['LICENSE', 'README.md']) cpSync(join(root, name), join(dist, folder, name))
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8')) as Manifest
}

/** The product, bundled to few files; libraries stay dependencies. */
async function bundle(): Promise<void> {
  await bundleProduct(join(dist, 'curfew'), Object.keys(readManifest('curfew').dependencies ?? {}))
}

function copyProductFiles(): void {
  const bin = join(dist, 'curfew/bin/curfew.js')
  mkdirSync(dirname(bin), { recursive: true })
  cpSync(join(root, 'packages/curfew/bin/curfew.js'), bin)
  chmodSync(bin, 0o755)
  cpSync(join(root, 'docs'), join(dist, 'curfew/docs'), { recursive: true })
  cpSync(join(root, 'schema'), join(dist, 'curfew/schema'), { recursive: true })
}

/** Programs of this repository are found also where npm did not start this. */
const env = { ...process.env, PATH: [join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter) }

function run(command: string, args: readonly string[], cwd = root): string {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${result.error?.message ?? result.stdout + result.stderr}`)
  return result.stdout
}

/** Builds and packs everything; returns the tarballs by package name. */
export async function build(): Promise<Readonly<Record<string, string>>> {
  rmSync(dist, { recursive: true, force: true })
  mkdirSync(dist)
  for (const folder of ['codecs', 'sdk']) {
    emit(folder)
    writeManifest(folder, { exports: { '.': { types: './index.d.ts', default: './index.js' } } })
  }
  await bundle()
  emitProductTypes()
  writeManifest('curfew', { exports: { '.': { types: './types/index.d.ts', default: './index.js' } }, bin: { curfew: 'bin/curfew.js' } })
  copyProductFiles()
  const tarballs: Record<string, string> = {}
  for (const folder of ['codecs', 'sdk', 'curfew']) {
    const name = run('npm', ['pack', '--silent', '--pack-destination', dist], join(dist, folder)).trim().split('\n').at(-1) ?? ''
    tarballs[readManifest(folder).name] = join(dist, name)
  }
  return tarballs
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tarballs = await build()
  for (const [name, path] of Object.entries(tarballs))
    console.log(`${name.padEnd(16)} ${path.slice(root.length)} ${Math.round(readFileSync(path).length / 1024)} KB`)
  if (!existsSync(dist) || globSync('*.tgz', { cwd: dist }).length !== 3) process.exitCode = 1
}
