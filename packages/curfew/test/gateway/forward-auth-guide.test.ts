import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { forwardAuthPath } from '../../src/gateway/endpoints/forward-auth.ts'
import { sessionCookieName } from '../../src/gateway/session/cookies.ts'

const guide = readFileSync(new URL('../../../../docs/how-to/forward-auth.md', import.meta.url), 'utf8')
const root = `/pa${forwardAuthPath}`

/** The configuration under a heading of the guide. */
function snippet(heading: string): string {
  const text = guide.split(`\n## ${heading}\n`)[1] ?? assert.fail(`the guide has no ${heading}`)
  return /```\w*\n([\s\S]*?)```/.exec(text)?.[1] ?? assert.fail(`${heading} has no configuration`)
}

interface Traefik {
  readonly http: {
    readonly middlewares: { readonly curfew: { readonly forwardAuth: Readonly<Record<string, unknown>> } }
    readonly routers: Readonly<Record<string, { readonly rule: string; readonly middlewares?: readonly string[]; readonly service: string }>>
    readonly services: Readonly<Record<string, unknown>>
  }
}

interface Patterns {
  readonly patterns: readonly { readonly exact: string }[]
}

interface Envoy {
  readonly http_filters: readonly {
    readonly typed_config: {
      readonly failure_mode_allow: boolean
      readonly http_service: {
        readonly path_prefix: string
        readonly authorization_request: { readonly allowed_headers: Patterns }
        readonly authorization_response: Readonly<Record<string, Patterns>>
      }
    }
  }[]
}

const exact = (patterns: Patterns | undefined) => patterns?.patterns.map((one) => one.exact)

suite('The configurations of the guide for other proxies', () => {
  test('Traefik asks at its address, copies the identity headers and the cookie, and sends what is of the gateway to it unasked', () => {
    const { http } = parse(snippet('Traefik')) as Traefik
    assert.deepEqual(http.middlewares.curfew.forwardAuth, {
      address: `http://127.0.0.1:3000${root}/forwarded`,
      authResponseHeaders: ['X-User', 'X-Mail'],
      addAuthCookiesToResponse: [sessionCookieName({ audience: 'example' })]
    })
    assert.deepEqual(http.routers['wiki']?.middlewares, ['curfew'])
    const own = http.routers['wiki-pa'] ?? assert.fail()
    assert.ok(own.rule.includes('PathPrefix(`/pa/`)') && own.middlewares === undefined)
    for (const { service } of Object.values(http.routers)) assert.ok(service in http.services)
  })

  test('Caddy asks at its address, and takes the identity headers of clients away before it copies those of the gateway', () => {
    const text = snippet('Caddy')
    assert.equal(/^\s+uri (\S+)$/m.exec(text)?.[1], `${root}/forwarded`)
    const copied = /^\s+copy_headers (.+)$/m.exec(text)?.[1]?.split(' ')
    assert.deepEqual(copied, ['X-User', 'X-Mail'])
    for (const name of copied ?? [])
      assert.ok(text.indexOf(`request_header -${name}`) > 0 && text.indexOf(`request_header -${name}`) < text.indexOf('forward_auth'))
    assert.ok(text.includes('handle /pa/* {'))
  })

  test('Envoy asks below its prefix, shows what a decision needs, and lets nothing through when the gateway is away', () => {
    const config = (parse(snippet('Envoy')) as Envoy).http_filters[0]?.typed_config ?? assert.fail()
    const { path_prefix: prefix, authorization_request: request, authorization_response: response } = config.http_service
    assert.deepEqual([prefix, config.failure_mode_allow], [`${root}/envoy`, false])
    assert.deepEqual(exact(request.allowed_headers), ['cookie', 'accept', 'sec-fetch-mode'])
    assert.deepEqual(exact(response['allowed_upstream_headers']), ['x-user', 'x-mail'])
    assert.deepEqual(exact(response['allowed_client_headers']), ['location', 'set-cookie'])
    assert.deepEqual(exact(response['allowed_client_headers_on_success']), ['set-cookie'])
  })
})
