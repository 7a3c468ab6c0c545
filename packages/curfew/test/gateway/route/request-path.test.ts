import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { liesBelow, requestPath } from '../../../src/gateway/route/request-path.ts'

suite('The path of a request', () => {
  for (const [target, meaning] of Object.entries({
    '/': '/',
    '/notes?x=/../y': '/notes',
    '/notes/': '/notes/',
    '//admin///x': '/admin/x',
    '/%61dmin': '/admin',
    '/admin;v=1/x;y': '/admin/x',
    '/caf%C3%A9': '/café',
    '/a.b/..c/...': '/a.b/..c/...'
  })) {
    test(`${target} means ${meaning}`, () => assert.equal(requestPath(target)?.meaning, meaning))
  }

  for (const target of [
    '',
    '*',
    'http://wiki.example.com/',
    '/a/../b',
    '/a/..',
    '/./a',
    '/a/%2e%2e/b',
    '/a/.%2E/b',
    '/a/..;x=1/b',
    '/a/%2e%2e;x/b',
    '/a%2fb',
    '/a%2F..%2Fb',
    '/a\\b',
    '/a%5cb',
    '/a%00',
    '/a%0d%0aX: y',
    '/a%7f',
    '/a%',
    '/a%zz',
    '/a%ff',
    '/a%c0%ae%c0%ae/b',
    '/a/%252e%252e/b',
    '/a%252fb',
    '/a%25%32%66b',
    '/a#b',
    `/${'a'.repeat(17_000)}`
  ]) {
    test(`${target.slice(0, 40)} has more than one meaning`, () => assert.equal(requestPath(target), undefined))
  }

  for (const [target, literal] of Object.entries({ '/a%3bx/b': '/a;x/b', '/a;x//b': '/a;x//b', '/a/b?c;d': '/a/b', '//a': '//a' }))
    test(`${target} is ${literal} for a server that takes every sign for what it is`, () => assert.equal(requestPath(target)?.literal, literal))

  test('never leads out of the root that it seems to lie below', () => {
    const part = fc.constantFrom('a', '.', '..', '%2e', '%2E%2e', '/', '//', ';x', '%2f', '%5c', '\\', '%25', 'admin', '?', '%c3%a9')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const target = `/app/${parts.join('')}`
        const path = requestPath(target)
        if (path === undefined) return
        // The reading of a browser, which resolves dot segments in every spelling and takes backslashes for slashes.
        const asBrowser = new URL(target, 'http://host').pathname
        assert.ok(liesBelow(path.meaning, '/app') && liesBelow(path.literal, '/app'))
        assert.ok(asBrowser.startsWith('/app'), target)
      }),
      { numRuns: 2_000 }
    )
  })
})
