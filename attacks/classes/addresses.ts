import { attack, type AttackClass, edit } from '../attack.ts'

const tests = 'packages/curfew/test/attacks'
const redirect = 'packages/curfew/src/core/redirect.ts'
const redirects = 'packages/curfew/test/core/redirect.test.ts'
const outbound = 'packages/curfew/src/platform/outbound.ts'
const addresses = 'packages/curfew/src/platform/addresses.ts'
const connection = 'packages/curfew/src/authority/saml/connection.ts'
const ssrf = `${tests}/back-channel-addresses.test.ts`

const anyScheme = edit(
  connection,
  "if (resolved.protocol !== 'https:' && resolved.protocol !== 'http:') throw unusable(settings, `${url} is neither http nor https`)",
  ''
)
const escapes = edit(
  'packages/curfew/src/authority/pages/html.ts',
  "if (typeof value === 'string') return escapeHtml(value)",
  "if (typeof value === 'string') return value"
)
const startsWith = edit(redirect, "if (!name.startsWith('*.')) return host === name", "if (!name.startsWith('*.')) return host.startsWith(name)")
const characters = edit(redirect, String.raw`if (!/^[\x21-\x7e]+$/.test(raw) || /[\\<>"'${'`'}{}|^]/.test(raw)) return ignored('characters')`, '')
const userInfo = edit(
  redirect,
  "if (url.username !== '' || url.password !== '' || authority.includes('@') || authority.includes('%')) return ignored('user-info')",
  "if (authority === undefined) return ignored('user-info')"
)
const pinsLiterals = edit(outbound, 'if (isIP(literal) !== 0 && !policy.isAllowed(literal)) throw', 'if (isIP(literal) !== 0 && url === undefined) throw')
const pinsNames = edit(
  outbound,
  'const allowed = addresses.filter(({ address }) => policy.isAllowed(address))',
  'const allowed = addresses.filter(({ address }) => address !== undefined && policy !== undefined)'
)

/** Where a browser, or this server, could be led. */
export const addressAttacks: readonly AttackClass[] = [
  attack('javascript: and data: endpoints in metadata', `${tests}/metadata-endpoints.test.ts`, [
    ...['an assertion consumer service', 'a logout service', 'the answer address of a logout service', 'a sign-on service'].flatMap((place) =>
      ['a script', 'data'].map((what) => ({
        test: `${what} as ${place} is refused`,
        without: 'the rule that endpoints are http or https',
        edits: [anyScheme]
      }))
    )
  ]),
  attack('RelayState with markup', `${tests}/relay-state.test.ts`, [
    {
      test: String.raw`"\"><script>alert(1)</script>" comes back with an assertion to the letter, as text`,
      without: 'the escaping of what is put into a page',
      edits: [escapes]
    },
    {
      test: '"</form><form action=\\"https://evil.example/\\">" comes back with a LogoutResponse by POST the same way',
      without: 'the escaping of what is put into a page',
      edits: [escapes]
    },
    {
      test: 'in an address it stays one parameter: no header, no second parameter',
      without: 'the encoding of what is put into an address',
      edits: [edit('packages/codecs/src/saml/redirect-binding.ts', '`&RelayState=${escaped(message.relayState)}`', '`&RelayState=${message.relayState}`')]
    }
  ]),
  attack('Redirect list: look-alike hosts', redirects, [
    { test: 'ignores a look-alike host', without: 'the comparison of the whole host', edits: [startsWith] },
    {
      test: 'ignores a look-alike suffix',
      without: 'the dot in front of what a wildcard covers',
      edits: [edit(redirect, 'const suffix = name.slice(1)', 'const suffix = name.slice(2)')]
    }
  ]),
  attack('Redirect list: user-info', redirects, [{ test: 'ignores user-info of an allowed host', without: 'the refusal of user-info', edits: [userInfo] }]),
  attack('Redirect list: backslash', redirects, [
    {
      test: 'ignores a backslash that only some readers take for a slash',
      without: 'the refusal of characters that readers disagree about, and of user-info',
      edits: [characters, userInfo]
    }
  ]),
  attack('Redirect list: tab', redirects, [
    { test: 'ignores a tab inside', without: 'the refusal of characters that readers disagree about', edits: [characters] },
    { test: 'ignores a line feed', without: 'the refusal of characters that readers disagree about', edits: [characters] }
  ]),
  attack('Redirect list: IDN', redirects, [
    { test: 'ignores a full-width dot', without: 'the refusal of characters that readers disagree about', edits: [characters] },
    {
      test: 'ignores a letter of another alphabet',
      without: 'the refusal of other characters, and the comparison of the whole host',
      edits: [
        characters,
        edit(
          redirect,
          "if (!name.startsWith('*.')) return host === name",
          "if (!name.startsWith('*.')) return host.replace(/xn--exmple-[0-9a-z]+/, 'example') === name"
        )
      ]
    }
  ]),
  attack('Redirect list: IPv6', redirects, [
    {
      test: 'ignores an IPv6 address',
      without: 'the comparison of the host',
      edits: [edit(redirect, "if (!name.startsWith('*.')) return host === name", "if (!name.startsWith('*.')) return host === name || host.startsWith('[')")]
    }
  ]),
  attack('Redirect list: trailing dot', redirects, [
    { test: 'ignores a dot at the end of the host', without: 'the comparison of the whole host', edits: [startsWith] },
    {
      test: 'ignores a dot at the end of a wildcard host',
      without: 'the comparison of the end of the host',
      edits: [edit(redirect, String.raw`host.endsWith(suffix) && /^[\w-]+(?:\.[\w-]+)*$/.test(host.slice(0, -suffix.length))`, 'host.includes(suffix)')]
    }
  ]),
  attack('Redirect list: encoded dots', redirects, [
    {
      test: 'ignores an encoded dot that the parser leaves',
      without: 'the refusal of encoded dots and slashes',
      edits: [edit(redirect, 'if (/%2f|%5c|%2e/i.test(pathname)) return false', '')]
    },
    {
      test: 'ignores an encoded backslash in the path',
      without: 'the refusal of encoded dots and slashes',
      edits: [edit(redirect, 'if (/%2f|%5c|%2e/i.test(pathname)) return false', '')]
    }
  ]),
  attack('Redirect list: any text', `${tests}/redirect-readers.it.ts`, [
    {
      test: 'whatever is followed leads where a rule says, as it was written and as it is sent, for Python as for browsers',
      without: 'the rule that a star stands for whole labels',
      edits: [edit(redirect, String.raw`&& /^[\w-]+(?:\.[\w-]+)*$/.test(host.slice(0, -suffix.length))`, '')]
    },
    {
      test: 'with the list switched off, no address is followed that they read as two',
      without: 'the refusal of characters that readers disagree about, and of user-info',
      edits: [characters, userInfo]
    }
  ]),
  attack('SSRF: loopback', ssrf, [
    { test: 'loopback (127.0.0.1) is not connected to', without: 'the refusal of private addresses', edits: [pinsLiterals] },
    { test: 'the name of this machine (localhost) is not connected to', without: 'the refusal of what a name means', edits: [pinsNames] },
    {
      file: `${tests}/metadata-addresses.test.ts`,
      test: 'metadata from loopback (127.0.0.1) is not fetched',
      without: 'the refusal of private addresses',
      edits: [pinsLiterals]
    }
  ]),
  attack('SSRF: link-local', ssrf, [
    {
      test: 'link-local: metadata of a cloud (169.254.169.254) is not connected to',
      without: 'the range in the list',
      edits: [edit(addresses, "['169.254.0.0', 16, 'ipv4'],", '')]
    },
    { test: 'link-local of IPv6 ([fe80::1]) is not connected to', without: 'the range in the list', edits: [edit(addresses, "['fe80::', 10, 'ipv6'],", '')] }
  ]),
  attack('SSRF: IPv4 in other notations', ssrf, [
    ...['one decimal number (2130706433)', 'octal numbers (0177.0.0.1)', 'a short notation (127.1)', 'IPv4 mapped into IPv6 ([::ffff:127.0.0.1])'].map(
      (notation) => ({
        test: `${notation} is not connected to`,
        without: 'the judgement of the address as it was understood',
        edits: [pinsLiterals]
      })
    )
  ]),
  attack('SSRF: NAT64', ssrf, [
    { test: 'NAT64 ([64:ff9b::7f00:1]) is not connected to', without: 'the range in the list', edits: [edit(addresses, "['64:ff9b::', 96, 'ipv6'],", '')] },
    {
      test: 'NAT64 of a site ([64:ff9b:1::7f00:1]) is not connected to',
      without: 'the range in the list',
      edits: [edit(addresses, "['64:ff9b:1::', 48, 'ipv6'],", '')]
    }
  ]),
  attack('SSRF: DNS that changes', ssrf, [
    {
      test: 'a name is resolved once per connection: what was checked is what is connected to, whatever it means a moment later',
      without: 'the connection to the address that was checked: the name is looked up again',
      edits: [
        edit(
          outbound,
          'if (options.all === true) callback(null, allowed)',
          'const again = fixed === undefined ? await lookup(host) : addresses\n        if (options.all === true) callback(null, [...again])'
        ),
        edit(outbound, '.then((addresses) => {', '.then(async (addresses) => {')
      ]
    },
    { test: 'a public name that means loopback is not connected to', without: 'the refusal of what a name means', edits: [pinsNames] }
  ]),
  attack('One hung partner of 50', ssrf, [
    {
      test: 'one hung client of 50 delays nobody',
      without: 'the places of its own that each partner has',
      failsBy: 'timeout',
      edits: [edit(outbound, 'bulkhead.run(request.peerId, () => exchange(request))', "bulkhead.run('everybody', () => exchange(request))")]
    },
    {
      file: `${tests}/metadata-addresses.test.ts`,
      test: 'servers of metadata that hang keep no other metadata waiting',
      without: 'the places of its own that each host has',
      failsBy: 'timeout',
      edits: [edit('packages/curfew/src/cli/connections-setup.ts', "const peerId = `metadata:${URL.parse(url)?.host ?? ''}`", "const peerId = 'metadata'")]
    }
  ])
]
