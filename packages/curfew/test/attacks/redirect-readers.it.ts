import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decideRedirect, type RedirectRule } from '../../src/core/redirect.ts'

const list: readonly RedirectRule[] = [
  { domain: 'www.example.com', path: '/bye', requireHttps: true, allowQueryAndFragment: false },
  { domain: '*.apps.example.com', requireHttps: true, allowQueryAndFragment: true },
  { domain: 'dev.example.com:8443', requireHttps: false, allowQueryAndFragment: true }
]
const hosts = /^(www\.example\.com|([^.]+\.)+apps\.example\.com|dev\.example\.com)$/
const valid = [
  'https://www.example.com/bye',
  'https://www.example.com/bye/page',
  'https://a.apps.example.com/x?y=1#z',
  'https://a.b.apps.example.com:443/',
  'http://dev.example.com:8443/x',
  'HTTPS://WWW.EXAMPLE.COM/bye'
] as const
/** What readers of addresses have disagreed about. */
const pieces = [
  '@',
  ':',
  '/',
  '//',
  '\\',
  '?',
  '#',
  '.',
  '..',
  '%2e',
  '%2f',
  '%40',
  '%00',
  '[',
  ']',
  ';',
  '&',
  '=',
  '+',
  '~',
  '-',
  '_',
  '!',
  '*',
  ',',
  '(',
  '$',
  '0x7f.1',
  'evil.example',
  'evil.example:443',
  'xn--',
  '\t',
  '\n',
  ' ',
  '\u00ad',
  '。',
  'https:',
  'http://',
  ':443',
  ':80',
  ':8443',
  ':0443',
  '@evil.example/',
  '.evil.example'
] as const

/** A valid address with some pieces put in, taken out or copied: most are refused, and those that are not are what matters. */
const changed = fc
  .tuple(
    fc.constantFrom(...valid),
    fc.array(fc.tuple(fc.nat(80), fc.nat(6), fc.option(fc.constantFrom(...pieces), { nil: '', freq: 4 })), { minLength: 1, maxLength: 3 })
  )
  .map(([address, changes]) =>
    changes.reduce<string>((text, [at, cut, piece]) => text.slice(0, at) + piece + text.slice(at + (cut > 3 ? cut - 3 : 0)), address)
  )

/** `CURFEW_SEED` replays one run. */
const seed = Number(process.env['CURFEW_SEED'] ?? Math.floor(Math.random() * 2 ** 32)) >>> 0
const runs = Number(process.env['CURFEW_FUZZ_CASES'] ?? 60_000)

/** Scheme, user, host and port of addresses, as the standard library of Python reads them. */
function byPython(addresses: readonly string[]): readonly (readonly [string, string | null, string | null, number | null] | null)[] {
  const program = `
import json, sys
from urllib.parse import urlsplit
def read(text):
    try:
        parts = urlsplit(text)
        return [parts.scheme, parts.username, parts.hostname, parts.port]
    except ValueError:
        return None
print(json.dumps([read(one) for one in json.load(sys.stdin)]))`
  const { stdout, status, stderr } = spawnSync('python3', ['-c', program], { input: JSON.stringify(addresses), encoding: 'utf8', maxBuffer: 1 << 28 })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as ReturnType<typeof byPython>
}

suite('Redirect decision against other readers of addresses', () => {
  test('whatever is followed leads where a rule says, as it was written and as it is sent, for Python as for browsers', () => {
    const followed = new Map<string, string>()
    fc.assert(
      fc.property(changed, (raw) => {
        const decision = decideRedirect(raw, { list, exact: [] })
        if (decision.kind !== 'allowed') return
        assert.match(new URL(decision.url).hostname, hosts)
        followed.set(raw, decision.url)
      }),
      { seed, numRuns: runs }
    )
    assert.ok(followed.size > runs / 100, `CURFEW_SEED=${seed}: too few were followed at all: ${followed.size}`)
    for (const written of [[...followed.keys()], [...followed.values()]])
      byPython(written).forEach((read, i) => {
        const address = written[i] ?? ''
        assert.ok(read !== null, `CURFEW_SEED=${seed}: Python does not read ${address}`)
        const [scheme, user, host, port] = read
        const { protocol, hostname, port: own } = new URL(address)
        assert.deepEqual([`${scheme}:`, user, host], [protocol, null, hostname], address)
        assert.match(host ?? '', hosts, address)
        assert.equal(port ?? (scheme === 'https' ? 443 : 80), own === '' ? (scheme === 'https' ? 443 : 80) : Number(own), address)
      })
  })

  test('with the list switched off, no address is followed that they read as two', () => {
    const followed: string[] = []
    fc.assert(
      fc.property(changed, (raw) => {
        const decision = decideRedirect(raw, { list: 'unchecked', exact: [] })
        if (decision.kind === 'allowed') followed.push(decision.url)
      }),
      { seed, numRuns: runs }
    )
    assert.ok(followed.length > runs / 100, `CURFEW_SEED=${seed}: too few were followed at all: ${followed.length}`)
    byPython(followed).forEach((read, i) => {
      const address = followed[i] ?? ''
      assert.ok(read !== null, `CURFEW_SEED=${seed}: Python does not read ${address}`)
      assert.deepEqual([read[1], read[2]], [null, new URL(address).hostname.replaceAll(/[[\]]/g, '')], address)
    })
  })
})
