import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

const axe = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
const tags = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']

/** Set to look at the pages: each is written there at every width. */
const pictures = process.env['CURFEW_TEST_PICTURES']

interface Violation {
  readonly id: string
  readonly nodes: readonly { readonly html: string }[]
}

/** No violation of WCAG 2.2 AA, and no sideways scrolling at any of the widths. The context of the page has `bypassCSP`. */
export async function assertForEverybody(page: Page, name: string, widths: readonly number[]): Promise<void> {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 700 })
    assert.ok(await page.evaluate((limit) => document.documentElement.scrollWidth <= limit, width), `${name} scrolls sideways at ${width} px`)
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name.replaceAll('/', '-')}-${width}.png`), fullPage: true })
    await page.evaluate(axe)
    const violations = await page.evaluate(async (only) => {
      const { axe: runner } = globalThis as unknown as { axe: { run(context: unknown, options: unknown): Promise<{ violations: Violation[] }> } }
      const result = await runner.run(document, { runOnly: only })
      return result.violations.map((v) => ({ id: v.id, nodes: v.nodes.map((n) => ({ html: n.html })) }))
    }, tags)
    assert.deepEqual(violations, [], `${name} at ${width} px`)
  }
}
