import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleProduct } from './bundle.ts'

/**
 * Makes the program that integration tests start: one bundle with its libraries, made anew for each run of the tests.
 * A process of it needs half of the processor time until it is ready that one from some 1,700 source files needs.
 * Prints where it is.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
const target = join(root, 'test-results/program')
const made = `${target}.${process.pid}`
await bundleProduct(made)
mkdirSync(join(made, 'bin'))
cpSync(join(root, 'packages/curfew/bin/curfew.js'), join(made, 'bin/curfew.js'))
writeFileSync(join(made, 'package.json'), '{ "type": "module" }\n')
rmSync(target, { recursive: true, force: true })
renameSync(made, target)
console.log(join(target, 'bin/curfew.js'))
