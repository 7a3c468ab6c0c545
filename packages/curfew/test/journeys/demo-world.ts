import { after, before } from 'node:test'
import type { Browser } from 'playwright-core'
import { launch } from './chromium.ts'
import { type DemoProcess, startDemoProcess } from './demo-process.ts'

/** The demo as a user starts it, and a browser. */
export interface DemoWorld {
  readonly demo: DemoProcess
  readonly browser: Browser
}

/** Starts both before the tests of the suite that this is called in, and stops them after. @param port - first of forty free ports */
export function demoWorld(port: number): DemoWorld {
  const started: { demo?: DemoProcess; browser?: Browser } = {}
  before(async () => {
    started.demo = await startDemoProcess(port)
    started.browser = await launch()
  })
  after(async () => {
    await started.browser?.close()
    await started.demo?.stop()
  })
  const there = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('it is there during the tests of its suite only')
    return part
  }
  return {
    get demo() {
      return there(started.demo)
    },
    get browser() {
      return there(started.browser)
    }
  }
}
