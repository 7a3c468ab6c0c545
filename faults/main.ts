import { parseArgs } from 'node:util'
import { storeCases } from './cases.ts'
import { crashCases } from './crash/crash-cases.ts'
import { regionCases } from './region-cases.ts'
import { helpText } from './help.ts'
import { goInside, hideNamespaces, isInside, namespaces } from './inside.ts'
import { together, type Verdict } from './judge.ts'
import { createNet } from './net.ts'
import { createSetup } from './setup.ts'
import { writeRow } from './document.ts'
import { upgradeCases } from './upgrade-case.ts'
import { isGood, lineOf } from './table.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    /** Ids of faults, with commas between them. */
    only: { type: 'string' },
    /** Decides when what happens by chance happens. */
    seed: { type: 'string', default: '1' },
    /** Puts the figures into docs/reliability.md. */
    write: { type: 'boolean', default: false },
    /** With `write`: adds the rounds to those that the document has, so that a long run may be done in pieces. */
    add: { type: 'boolean', default: false },
    /** Also say what came of each round. */
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false }
  }
})
const all = [...storeCases, ...upgradeCases, ...crashCases, ...regionCases]
const unknown = values.only?.split(',').filter((name) => !all.some(({ id }) => id === name)) ?? []

if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.log(`No fault is called ${unknown.join(' or ')}.\n`)
  console.log(helpText(all))
  process.exit(unknown.length > 0 ? 1 : 0)
}

// Whatever a round that failed has left running goes with the namespaces.
if (isInside()) process.exit(await run())
else {
  const prefix = namespaces()
  if (prefix === undefined) {
    console.log('This machine permits no network namespaces: run it as root, or allow unprivileged user namespaces.')
    process.exitCode = 1
  } else process.exitCode = await goInside(prefix)
}

async function run(): Promise<number> {
  hideNamespaces()
  const chosen = values.only === undefined ? all : all.filter(({ id }) => values.only?.split(',').includes(id))
  const net = createNet()
  let passed = 0
  let failed = 0
  for (const one of chosen) {
    const setup = await createSetup()
    const verdicts: Verdict[] = []
    try {
      await one.play(Number(values.rounds), { net, setup, seed: Number(values.seed) }, (verdict) => {
        verdicts.push(verdict)
        if (isGood(one, verdict)) passed += 1
        else failed += 1
        if (values.verbose) console.log(`  round ${verdicts.length}: ${isGood(one, verdict) ? 'good' : 'BAD'} ${JSON.stringify(verdict)}`)
      })
    } catch (error) {
      failed += 1
      console.log(`${one.id}: ${error instanceof Error ? error.stack : String(error)}`)
    } finally {
      const row = { one, verdict: together(verdicts), rounds: verdicts.length }
      console.log(lineOf(row))
      if (values.write && verdicts.length > 0) writeRow(all, row, values.add)
      await setup.close()
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}
