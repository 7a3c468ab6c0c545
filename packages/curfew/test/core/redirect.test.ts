import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decideRedirect, type RedirectRule } from '../../src/core/redirect.ts'

const rule = (more: Partial<RedirectRule> & { readonly domain: string }): RedirectRule => ({ requireHttps: true, allowQueryAndFragment: false, ...more })
const list = [
  rule({ domain: 'www.example.com', path: '/bye' }),
  rule({ domain: '*.apps.example.com', allowQueryAndFragment: true }),
  rule({ domain: 'dev.example.com:8443' }),
  rule({ domain: 'plain.example.com', requireHttps: false })
]
const decide = (raw: string | undefined) => decideRedirect(raw, { list, exact: ['https://default.example.com/out?x=1'] })

suite('Redirect decision', () => {
  test('nothing asked for is nothing refused', () => {
    assert.deepEqual(decide(undefined), { kind: 'absent' })
    assert.deepEqual(decide(''), { kind: 'absent' })
  })

  const allowed = [
    'https://www.example.com/bye',
    'https://www.example.com/bye/page',
    'https://WWW.EXAMPLE.COM/bye',
    'https://a.apps.example.com/?x=1#y',
    'https://a.b.apps.example.com/',
    'https://dev.example.com:8443/',
    'http://plain.example.com/x',
    'https://default.example.com/out?x=1'
  ]
  for (const url of allowed) test(`follows ${url}`, () => assert.equal(decide(url).kind, 'allowed'))

  const ignored: Readonly<Record<string, string>> = {
    'plain http where https is wanted': 'http://www.example.com/bye',
    'another path': 'https://www.example.com/byebye',
    'a path that leaves by dots': 'https://www.example.com/bye/../admin',
    'a path that leaves by encoded dots': 'https://www.example.com/bye/%2e%2e/admin',
    'a query where none is allowed': 'https://www.example.com/bye?x=1',
    'a fragment where none is allowed': 'https://www.example.com/bye#x',
    'the bare domain of a wildcard': 'https://apps.example.com/',
    'a look-alike suffix': 'https://evilapps.example.com/',
    'a look-alike host': 'https://www.example.com.evil.example/bye',
    'another port': 'https://www.example.com:8443/bye',
    'a missing port': 'https://dev.example.com/',
    'user-info': 'https://www.example.com@evil.example/bye',
    'user-info of an allowed host': 'https://x@www.example.com/bye',
    'a backslash': 'https://www.example.com\\@evil.example/bye',
    'a backslash that only some readers take for a slash': 'https://a.apps.example.com\\@evil.example/',
    'two backslashes': '\\\\www.example.com/bye',
    'no scheme': '//www.example.com/bye',
    'a path alone': '/bye',
    javascript: 'javascript:alert(1)',
    data: 'data:text/html,x',
    'a tab inside': 'https://www.exam\tple.com/bye',
    'a line feed': 'https://www.example.com/bye/\nLocation:x',
    'an encoded host': 'https://www%2eexample.com/bye',
    'a full-width dot': 'https://www．example.com/bye',
    'a letter of another alphabet': 'https://www.exаmple.com/bye',
    'the same in punycode': 'https://www.xn--exmple-4nf.com/bye',
    'a wildcard host in punycode that only looks alike': 'https://a.xn--pps-5cd.example.com/',
    'a dot at the end of the host': 'https://www.example.com./bye',
    'a dot at the end of a wildcard host': 'https://a.apps.example.com./',
    'an empty label where a star stands': 'https://..apps.example.com/',
    'a dot in front of what a star stands for': 'https://.a.apps.example.com/',
    'an IPv6 address': 'https://[::1]/bye',
    'an IPv6 address that maps IPv4': 'https://[::ffff:127.0.0.1]/bye',
    'an address as one number': 'https://2130706433/bye',
    'an encoded slash in the path': 'https://www.example.com/bye%2f..%2fadmin',
    'an encoded backslash in the path': 'https://www.example.com/bye/..%5cadmin',
    'an encoded dot that the parser leaves': 'https://www.example.com/bye/a%2e/x',
    'an encoded at sign': 'https://www.example.com%40evil.example/bye',
    'another address of the same host as the default': 'https://default.example.com/out',
    'too long': `https://www.example.com/bye/${'a'.repeat(3000)}`
  }
  for (const [name, url] of Object.entries(ignored)) test(`ignores ${name}`, () => assert.equal(decide(url).kind, 'ignored'))

  test('whatever is followed leads to a host that a rule names', () => {
    const pieces = fc.array(
      fc.constantFrom(
        'https:',
        'http:',
        '//',
        '/',
        '\\',
        '@',
        ':',
        '.',
        '%2e',
        '%40',
        '?',
        '#',
        'www.example.com',
        'apps.example.com',
        'a',
        'evil.example',
        '/bye',
        ':8443',
        'dev.example.com',
        ' ',
        '\t'
      ),
      { maxLength: 9 }
    )
    const hosts = /^(www\.example\.com|.+\.apps\.example\.com|dev\.example\.com|plain\.example\.com|default\.example\.com)$/
    const runs = 5_000
    let followed = 0
    const starts = fc.constantFrom('', '', 'https://', 'https://www.example.com', 'https://www.example.com/bye', 'https://a.apps.example.com')
    fc.assert(
      fc.property(starts, pieces, (start, parts) => {
        const decision = decide(start + parts.join(''))
        if (decision.kind !== 'allowed') return
        followed += 1
        assert.match(new URL(decision.url).hostname, hosts)
      }),
      { numRuns: runs }
    )
    assert.ok(followed > runs / 50, `too few were followed at all: ${followed}`)
  })
})
