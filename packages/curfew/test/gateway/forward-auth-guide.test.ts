import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { forwardAuthPath } from '../../src/gateway/endpoints/forward-auth.ts'
import { sessionCookieName } from '../../src/gateway/session/cookies.ts'
import { snippetOf } from './forward-auth-snippets.ts'

const root = `/pa${forwardAuthPath}`

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
    readonly name: string
    readonly typed_config: {
      readonly mutations?: { readonly request_mutations: readonly { readonly remove: string }[] }
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
    const { http } = parse(snippetOf('Traefik')) as Traefik
    assert.deepEqual(http.middlewares.curfew.forwardAuth, {
      address: `http://127.0.0.1:3000${root}/forwarded`,
      authResponseHeaders: ['X-User', 'X-Mail'],
      addAuthCookiesToResponse: [sessionCookieName({ audience: 'example' })]
    })
    assert.deepEqual(http.routers['wiki']?.middlewares, ['curfew-clean', 'curfew'])
    const own = http.routers['wiki-pa'] ?? assert.fail()
    assert.ok(own.rule.includes('&& PathPrefix(`/pa/`) && !PathPrefix(`/pa/auth/`)') && own.middlewares === undefined)
    for (const { service } of Object.values(http.routers)) assert.ok(service in http.services)
  })

  test('Envoy asks below its prefix, shows what a decision needs, and lets nothing through when the gateway is away', () => {
    const [mutation, decision] = (parse(snippetOf('Envoy')) as Envoy).http_filters
    assert.deepEqual([mutation?.name, decision?.name], ['envoy.filters.http.header_mutation', 'envoy.filters.http.ext_authz'])
    const config = decision?.typed_config ?? assert.fail()
    const { path_prefix: prefix, authorization_request: request, authorization_response: response } = config.http_service
    assert.deepEqual([prefix, config.failure_mode_allow], [`${root}/envoy`, false])
    assert.deepEqual(exact(request.allowed_headers), ['cookie', 'accept', 'sec-fetch-mode'])
    assert.deepEqual(exact(response['allowed_upstream_headers']), ['x-user', 'x-mail'])
    const removed = mutation?.typed_config.mutations?.request_mutations.map(({ remove }) => remove)
    assert.deepEqual(
      removed,
      exact(response['allowed_upstream_headers'])?.flatMap((name) => ['-', '_', '.'].map((sign) => name.replace('-', sign)))
    )
    assert.deepEqual(exact(response['allowed_client_headers']), ['location', 'set-cookie'])
    assert.deepEqual(exact(response['allowed_client_headers_on_success']), ['set-cookie'])
  })
})
