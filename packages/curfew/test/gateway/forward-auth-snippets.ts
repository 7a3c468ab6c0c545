import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

const guide = readFileSync(new URL('../../../../docs/how-to/forward-auth.md', import.meta.url), 'utf8')

export type ProxyName = 'nginx' | 'Traefik' | 'Caddy' | 'Envoy'

/** The configuration under a heading of the guide. */
export function snippetOf(heading: ProxyName): string {
  return snippetsOf(heading)[0] ?? assert.fail(`${heading} has no configuration`)
}

/** Every configuration under a heading, in their order. */
export function snippetsOf(heading: ProxyName): readonly string[] {
  const [text] = (guide.split(`\n## ${heading}\n`)[1] ?? assert.fail(`the guide has no ${heading}`)).split('\n## ')
  return [...(text ?? '').matchAll(/```\w*\n([\s\S]*?)```/g)].map(([, snippet = '']) => snippet)
}

export interface Addresses {
  readonly listen: number
  /** Host and port. */
  readonly gateway: string
  readonly application: string
}

/** The same with the addresses of a test, and nothing else changed. */
export function withAddresses(snippet: string, { gateway, application }: Addresses): string {
  return snippet.replaceAll('127.0.0.1:3000', gateway).replaceAll('10.0.0.5:8080', application)
}
