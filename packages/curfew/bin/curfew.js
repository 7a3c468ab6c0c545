#!/usr/bin/env node
// Plain JavaScript on purpose: it runs on any Node and finds Node 26 for the rest.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const needed = 26
const here = dirname(fileURLToPath(import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= needed) await runHere()
else runWithNode(findNode())

async function runHere() {
  const bundled = join(here, '..', 'cli.js')
  const entry = existsSync(bundled) ? bundled : join(here, '..', 'src', 'cli', 'main.ts')
  const { main } = await import(`file://${entry}`)
  process.exitCode = await main(process.argv)
}

/** Node 26 comes as a package: its binary lies in a node_modules folder at or above this file. */
function findNode() {
  for (let folder = here; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')
    if (existsSync(candidate)) return candidate
    if (dirname(folder) === folder) return undefined
  }
}

function runWithNode(node) {
  if (node === undefined) {
    console.error(`curfew needs Node ${needed} or later; this is Node ${process.versions.node} and no other was found.`)
    console.error('Install it from https://nodejs.org, or run npm ci in the folder that holds curfew.')
    process.exit(78)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)))
}
