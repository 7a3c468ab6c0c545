import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { postLogoutTarget } from '../../src/authority/oidc/post-logout.ts'
import { makeClient, type OidcClient } from '../../src/authority/oidc/client.ts'
import { makeTokenKey } from '../../src/authority/oidc/keys.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { clientOf } from '../authority/oidc/relying-party.ts'

const keys = [await makeTokenKey(makeKeyPair('post-logout').key, 'test')]
const client = (...postLogoutRedirectUris: readonly string[]): OidcClient => makeClient(clientOf('wiki', { postLogoutRedirectUris }), keys)

const registered = client('https://wiki.example/bye', 'https://wiki.example:8443/bye?from=op')

/** None of these is what was registered, however much it looks like it. */
const lookAlikes: Readonly<Record<string, string>> = {
  'another host': 'https://evil.example/bye',
  'the host as the beginning of another': 'https://wiki.example.evil.example/bye',
  'the host as the end of another': 'https://notwiki.example/bye',
  'the host with a dot at its end': 'https://wiki.example./bye',
  'the host as a user name': 'https://wiki.example@evil.example/bye',
  'the host as user name and password': 'https://wiki.example:x@evil.example/bye',
  'a user name before the right host': 'https://evil@wiki.example/bye',
  'an encoded at sign': 'https://wiki.example%40evil.example/bye',
  'a backslash before the real host': 'https://evil.example\\@wiki.example/bye',
  'a backslash instead of a slash': 'https:\\\\wiki.example\\bye',
  'backslashes in the path': 'https://wiki.example\\..\\evil',
  'a tab in the host': 'https://wiki.exa\tmple/bye',
  'a tab in the scheme': 'ht\ttps://wiki.example/bye',
  'a line feed': 'https://wiki.example/bye\n',
  'a line feed, then a header': 'https://wiki.example/bye\r\nset-cookie: x=1',
  'a blank in front': ' https://wiki.example/bye',
  'a null character': 'https://wiki.example/bye\u0000.evil.example',
  'a letter of another alphabet': 'https://wіki.example/bye',
  'the same in punycode': 'https://xn--wki-qmc.example/bye',
  'a full-width dot': 'https://wiki。example/bye',
  'a soft hyphen': 'https://wi\u00adki.example/bye',
  'a direction mark': 'https://wiki.example/\u202ebye',
  'an IPv6 address': 'https://[::1]/bye',
  'an IPv6 address that maps IPv4': 'https://[::ffff:127.0.0.1]/bye',
  'an address as one number': 'https://2130706433/bye',
  'another scheme': 'http://wiki.example/bye',
  'a script': 'javascript:alert(1)//wiki.example/bye',
  data: 'data:text/html,wiki.example',
  'no scheme': '//wiki.example/bye',
  'no host': 'https:///wiki.example/bye',
  'a path of ours': '/bye',
  'another port': 'https://wiki.example:444/bye',
  'the port of http': 'https://wiki.example:80/bye',
  'a port of too many digits': 'https://wiki.example:65979/bye',
  'a slash at the end': 'https://wiki.example/bye/',
  'other letters in the path': 'https://wiki.example/BYE',
  'a path below': 'https://wiki.example/bye/x',
  'an encoded slash': 'https://wiki.example%2fbye',
  'an encoded letter': 'https://wiki.example/%62ye',
  'a query': 'https://wiki.example/bye?x=1',
  'an empty query': 'https://wiki.example/bye?',
  'a fragment': 'https://wiki.example/bye#x',
  'an empty fragment': 'https://wiki.example/bye#',
  'a changed query': 'https://wiki.example:8443/bye?from=evil',
  'the query left out': 'https://wiki.example:8443/bye',
  'a second value of the query': 'https://wiki.example:8443/bye?from=op&from=evil',
  'dots up and into another path': 'https://wiki.example/bye/../other',
  megabytes: `https://wiki.example/bye?${'x'.repeat(5_000)}`,
  nothing: '',
  'a star': '*',
  'a star as the host': 'https://*.example/bye'
}

suite('attacks with the address after a logout: one that is registered as it stands', () => {
  for (const [name, uri] of Object.entries(lookAlikes)) {
    test(`AC-151 ${name} is not followed`, () => assert.equal(postLogoutTarget(registered, uri, 's'), undefined))
  }

  test('what is followed is the registered address to the letter, whatever was written to get there', () => {
    for (const uri of ['https://wiki.example/bye', 'HTTPS://WIKI.EXAMPLE/bye', 'https://wiki.example:443/bye', 'https://wiki.example/x/../bye'])
      assert.equal(postLogoutTarget(registered, uri, undefined), 'https://wiki.example/bye')
    assert.equal(postLogoutTarget(registered, 'https://wiki.example:8443/bye?from=op', 'a&b=c#d'), 'https://wiki.example:8443/bye?from=op&state=a%26b%3Dc%23d')
  })

  test('a state can not add a header, a path or a host', () => {
    assert.equal(postLogoutTarget(registered, 'https://wiki.example/bye', '\r\nx: y'), 'https://wiki.example/bye?state=%0D%0Ax%3A+y')
  })

  test('without a client nothing is followed, and an address of another client is none of this one', () => {
    assert.equal(postLogoutTarget(undefined, 'https://wiki.example/bye', undefined), undefined)
    assert.equal(postLogoutTarget(client('https://chat.example/bye'), 'https://wiki.example/bye', undefined), undefined)
  })
})

suite('attacks with the address after a logout: patterns', () => {
  const cases: readonly (readonly [pattern: string, uri: string, isCovered: boolean])[] = [
    ['https://*.wiki.example/bye', 'https://a.wiki.example/bye', true],
    ['https://*.wiki.example/bye', 'https://a.wiki.example/bye/below', false],
    ['https://*.wiki.example/bye', 'https://a.wiki.example/bye/', false],
    ['https://*.wiki.example', 'https://a.wiki.example/', true],
    ['https://*.wiki.example', 'https://a.wiki.example/anything', false],
    ['https://*.wiki.example/*', 'https://a.wiki.example/anything', true],
    ['https://*.wiki.example/bye/*', 'https://a.b.wiki.example/bye/x', true],
    ['https://*.wiki.example/bye/*', 'https://wiki.example/bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://a.wiki.example./bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://evilwiki.example/bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://evil.example/.wiki.example/bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://evil.example?.wiki.example/bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://evil.example#.wiki.example/bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://evil.example\\.wiki.example/bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://evil.example%2f.wiki.example/bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://a.wiki.example/bye/../x', false],
    ['https://*.wiki.example/bye/*', 'https://a.wiki.example/bye/%2e%2e/x', false],
    ['https://*.wiki.example/bye/*', 'https://a.wiki.example/bye/..%2fx', false],
    ['https://*.wiki.example/bye/*', 'https://a.wiki.example/bye/%5c../x', false],
    ['https://*.wiki.example/bye/*', 'https://a.wiki.example/bye/x?next=https://evil.example', false],
    ['https://*.wiki.example/bye/*', 'http://a.wiki.example/bye/x', false],
    ['https://*.wiki.example/bye/*', 'https://a.wiki.example:8443/bye/x', false],
    ['https://*.wiki.example:8443/bye/*', 'https://a.wiki.example:8443/bye/x', true],
    // No pattern at all: such an entry covers nothing.
    ['*', 'https://evil.example/', false],
    ['https://*', 'https://evil.example/', false],
    ['https://*/bye', 'https://evil.example/bye', false],
    ['https://*.', 'https://evil.example./', false],
    ['https://wiki.*/bye', 'https://wiki.evil/bye', false],
    ['https://*wiki.example/bye', 'https://evilwiki.example/bye', false],
    ['https://a.*.example/bye', 'https://a.evil.example/bye', false],
    ['https://wiki.example/*/bye', 'https://wiki.example/x/bye', false],
    ['*://wiki.example/bye/*', 'javascript://wiki.example/bye/%0aalert(1)', false]
  ]
  for (const [pattern, uri, isCovered] of cases) {
    test(`AC-152 ${pattern} ${isCovered ? 'covers' : 'does not cover'} ${uri}`, () => {
      assert.equal(postLogoutTarget(client(pattern), uri, undefined), isCovered ? uri : undefined)
    })
  }
})
