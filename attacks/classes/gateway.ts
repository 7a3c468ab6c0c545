import { attack, type AttackClass, edit } from '../attack.ts'

const tests = 'packages/curfew/test/attacks'
const gateway = 'packages/curfew/src/gateway'

const readsLiterally = edit(`${gateway}/decide.ts`, 'liesBelow(literal, root)', "liesBelow(literal.replaceAll(/;[^/]*/g, '').replaceAll(/\\/+/g, '/'), root)")

/** What only a proxy in front of applications has to withstand. */
export const gatewayAttacks: readonly AttackClass[] = [
  attack('Paths that servers read differently', `${tests}/gateway.it.ts`, [
    {
      file: `${tests}/gateway-paths.it.ts`,
      test: 'what the gateway takes for an open path nginx takes for one, whatever the spelling',
      without: 'the look at the path as it stands',
      edits: [readsLiterally]
    },
    { test: '/public;x/secret is open for some servers only, so it is not open', without: 'the look at the path as it stands', edits: [readsLiterally] },
    {
      test: 'a path that is of one application for some servers and of another for others is of none',
      without: 'the comparison of both readings',
      edits: [
        edit(
          `${gateway}/route/applications.ts`,
          'if (literal !== meaning && below(host, literal) !== place) throw',
          "if (literal === '' && below(host, literal) !== place) throw"
        )
      ]
    }
  ]),
  attack('Open redirects of the gateway', `${tests}/gateway-redirects.it.ts`, [
    {
      test: 'after a sign-in a browser lands on the origin that it asked, whatever the path looks like',
      without: 'the origin in front of the path',
      edits: [
        edit(`${gateway}/route/own-address.ts`, '? (address as OwnAddress)', '? (target as OwnAddress)'),
        edit(`${gateway}/sign-in/transaction.ts`, 'transaction.target.slice(transaction.origin.length)', 'transaction.target')
      ]
    }
  ]),
  attack('Request smuggling', `${tests}/gateway.it.ts`, [
    {
      test: 'a coding before chunked: refused, and nothing reaches the application',
      without: 'the refusal of strange codings',
      edits: [edit(`${gateway}/server.ts`, 'if (isStrange || hosts !== 1) throw', 'if (hosts !== 1) throw')]
    }
  ]),
  attack('Forged identity headers', `${tests}/gateway.it.ts`, [
    {
      test: 'an identity header arrives in no spelling, on an open path and with a session',
      without: 'the comparison of names as applications read them',
      edits: [edit(`${gateway}/proxy/request-headers.ts`, "return name.toLowerCase().replace(/[^a-z0-9]/g, '-')", 'return name.toLowerCase()')]
    }
  ]),
  attack('A cookie that is used again after the sign-out', 'packages/curfew/test/gateway/gateway.it.ts', [
    {
      test: 'a cookie that somebody kept is worth nothing after it',
      without: 'the entry for the web session itself',
      edits: [edit(`${gateway}/endpoints/logout.ts`, 'Promise.allSettled(sessions.map(', 'Promise.allSettled(sessions.slice(0, 0).map(')]
    }
  ]),
  attack('A poisoned or reordered revocation feed', 'packages/codecs/test/revocation/feed-reader.test.ts', [
    {
      test: 'refuses pages in another order and pages that come twice',
      without: 'the comparison of positions',
      edits: [edit('packages/codecs/src/revocation/revocation-list.ts', 'if (page.prev !== known.position) return', 'if (page.prev < 0) return')]
    },
    {
      test: 'reads another list from its start, and keeps what it knows of the former one',
      without: 'the comparison of the names of lists',
      failsBy: 'timeout',
      edits: [edit('packages/codecs/src/revocation/revocation-list.ts', 'isNamedOtherwise || ', '')]
    }
  ]),
  attack('A recorded page, or a date that is set back, that makes an old list young', 'packages/codecs/test/revocation/revocation-list.test.ts', [
    {
      test: 'it is as old as the page it knows, whenever that came: the same page again is no news',
      without: 'the time of the signature',
      edits: [edit('packages/codecs/src/revocation/revocation-list.ts', 'Math.min(nowMs, issuedAtMs + feedClockAllowanceMs)', 'nowMs')]
    },
    {
      test: 'a date that is set back makes nothing young',
      without: 'the clock that nobody sets',
      edits: [edit('packages/codecs/src/revocation/revocation-list.ts', 'steadyMs() - known.complete.steadyAtMs', '0')]
    },
    {
      test: 'nor does a machine that slept, whose steady clock stood still',
      without: 'the date',
      edits: [edit('packages/codecs/src/revocation/revocation-list.ts', 'nowMs - known.complete.atMs', '0')]
    }
  ]),
  attack('Targets of applications out of reach', `${tests}/gateway.it.ts`, [
    {
      test: 'a name that comes to mean an address out of reach is out of reach',
      without: 'the look at the address behind the name',
      edits: [
        edit(
          'packages/curfew/src/platform/outbound.ts',
          'addresses.filter(({ address }) => policy.isAllowed(address))',
          "addresses.filter(({ address }) => address !== '')"
        )
      ]
    }
  ])
]
