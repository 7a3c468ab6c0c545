import { suite } from 'node:test'
import { artifactTests } from './artifacts.ts'
import { endingTests } from './endings.ts'
import { factTests } from './facts.ts'
import { type OpenStore, storeTest } from './harness.ts'
import { lifetimeTests } from './lifetime.ts'
import { runTests } from './runs.ts'
import { serviceTests } from './services.ts'
import { sessionTests } from './sessions.ts'

export type { OpenedStore, OpenStore } from './harness.ts'

/** What every implementation of `Store` has to do. `open` makes an empty store that takes `capacity` live sessions. */
export function storeConformance(name: string, open: OpenStore): void {
  suite(`store conformance: ${name}`, () => {
    const test = storeTest(open)
    sessionTests(test)
    endingTests(test)
    runTests(test)
    serviceTests(test)
    artifactTests(test)
    lifetimeTests(test)
    factTests(open)
  })
}
