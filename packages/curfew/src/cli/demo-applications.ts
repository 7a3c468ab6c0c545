import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { startDemoApplications } from '../../../../demo/start.ts'

export interface DemoModule {
  readonly startDemoApplications: typeof startDemoApplications
}

/** The demo applications: from the repository, or from beside the bundle of the published package. */
export async function loadDemo(): Promise<DemoModule> {
  const places = ['../../../../demo/start.ts', './demo/start.js']
  const found = places.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(fileURLToPath(url)))
  if (found === undefined) throw new Error('the demo applications are not part of this installation')
  return (await import(found.href)) as DemoModule
}
