import { attack, type AttackClass, edit } from '../attack.ts'

const tests = 'packages/curfew/test/attacks'
const gateway = 'packages/curfew/src/gateway'

const readsLiterally = edit(`${gateway}/decide.ts`, 'liesBelow(literal, root)', "liesBelow(literal.replaceAll(/;[^/]*/g, '').replaceAll(/\\/+/g, '/'), root)")

export const takesTwoSessions = edit(
  `${gateway}/session/session-cookies.ts`,
  'if (more.some(({ session: { id } }) => id !== found.session.id))',
  'if (more.length > 99)'
)

/** Puts the pieces of a cookie together, as products do that send large ones. */
const joinsPieces = edit(
  `${gateway}/session/cookies.ts`,
  'const values: string[] = []',
  "const pieces = (header ?? '').split(';').flatMap((pair) => (/^(\\.\\d)?=/.test(pair.trim().slice(name.length)) && pair.trim().startsWith(name) ? [pair.slice(pair.indexOf('=') + 1)] : []))\n  if (pieces.length > 0) return [pieces.join('')]\n  const values: string[] = []"
)

const planted = 'nobody is shown as somebody else, and after one refusal the browser goes on'

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
    },
    {
      test: 'an identity header arrives in no spelling with a WebSocket either, and no cookie of the gateway',
      without: 'the choice among the headers of a client that wants a WebSocket',
      edits: [
        edit(
          `${gateway}/proxy/web-socket.ts`,
          'headers: upstreamHeaders(ctx, { place, request, opened }),',
          'headers: [...upstreamHeaders(ctx, { place, request, opened }), ...request.rawHeaders.filter((_, i, all) => /user|mail/i.test(all[i - (i % 2)] ?? ""))],'
        )
      ]
    }
  ]),
  attack('A cookie that is used again after the sign-out', 'packages/curfew/test/gateway/gateway.it.ts', [
    {
      test: 'a cookie that somebody kept is worth nothing after it',
      without: 'the entry for the web session itself',
      edits: [edit(`${gateway}/endpoints/logout.ts`, 'Promise.allSettled(ended.map(', 'Promise.allSettled(ended.slice(0, 0).map(')]
    },
    {
      file: `${tests}/gateway-cookies.it.ts`,
      test: 'at the authority: a copy is refused, and by a gateway that was started after it, too',
      without: 'the look at the list for every request',
      failsBy: 'timeout',
      edits: [edit(`${gateway}/session/verdict.ts`, 'return keys.some(isEnded)', 'return keys.slice(0, 0).some(isEnded)')]
    }
  ]),
  attack('A good session cookie of somebody else planted at the gateway', `${tests}/gateway-cookies.it.ts`, [
    { test: `by another host of the domain (/): ${planted}`, without: 'the refusal of cookies of two sessions', edits: [takesTwoSessions] },
    {
      test: `by another host of the domain, for a part of it (/app): ${planted}`,
      without: 'the clearing of cookies of domains above the host',
      edits: [edit(`${gateway}/session/every-cookie.ts`, ".filter((domain) => domain.includes('.'))", ".filter((domain) => domain === '')")]
    },
    {
      test: 'counts for nothing, in front and behind',
      without: 'the look at which of the sessions have ended',
      edits: [edit(`${gateway}/decide.ts`, ', (one) => isKnownEnded(ctx, one))', ')')]
    },
    {
      test: 'is left behind by no sign-out that sees it: both end, and cookies of the domains above the host go',
      without: 'the clearing of the cookies of other domains at a sign-out',
      edits: [
        edit(`${gateway}/endpoints/logout.ts`, '.filter((settings) => !several.includes(settings))', ''),
        edit(`${gateway}/endpoints/logout.ts`, 'clearEverywhere(ctx, request, place, several)', 'clearEverywhere(ctx, request, place, [])')
      ]
    },
    ...['a part of it (/app)', 'a part of it with a slash (/app/notes/)'].map((where) => ({
      test: `by a page of the application, for ${where}: ${planted}`,
      without: 'the clearing of cookies for parts of the host',
      edits: [edit(`${gateway}/session/every-cookie.ts`, "['/', ...known.flatMap(", "['/', ...known.slice(0, 0).flatMap(")]
    }))
  ]),
  attack('Session cookies of the gateway in pieces, and longer than browsers keep', 'packages/curfew/test/gateway/session/session-cookies.test.ts', [
    {
      test: 'that comes in pieces, as some products send a larger one, is not put together',
      without: 'the exact name: pieces are joined',
      edits: [joinsPieces]
    },
    {
      file: 'packages/curfew/test/gateway/session/sealer.test.ts',
      test: 'that is longer than browsers keep is not looked at, however well it is sealed',
      without: 'the limit for the length of what is opened',
      edits: ["tag = '', ...more]", "signature = '', ...more]"].map((names) =>
        edit(`${gateway}/session/sealer.ts`, `${names} = value.length > cookieCharactersMax ? [] :`, `${names} = value === '' ? [] :`)
      )
    }
  ]),
  attack('Slow heads and bodies, and huge heads', `${tests}/gateway.it.ts`, [
    {
      test: 'heads that come drop by drop are cut off, and others are answered meanwhile',
      without: 'the time that a head may take',
      failsBy: 'timeout',
      edits: [edit('packages/curfew/src/cli/compose-gateway.ts', 'headersTimeout: 15_000', 'headersTimeout: 0')]
    },
    {
      test: 'a head that is too large is refused, whatever makes it so',
      without: 'the limit for the size of a head',
      edits: [edit('packages/curfew/src/cli/compose-gateway.ts', 'const headerBytesMax = 32 * 1024', 'const headerBytesMax = 1024 * 1024')]
    },
    {
      file: 'packages/curfew/test/gateway/request-body.it.ts',
      test: 'is refused when it is too large, comes too slowly, or stops',
      without: 'the time that a body may take which the gateway reads itself',
      failsBy: 'timeout',
      edits: [edit(`${gateway}/request-body.ts`, 'clock.after(bodyMsMax, ', 'clock.after(bodyMsMax * 1_000, ')]
    },
    {
      file: 'packages/curfew/test/gateway/request-body.it.ts',
      test: 'that was answered before its end keeps its connection for a while only',
      without: 'the time that the rest of an answered request may take',
      failsBy: 'timeout',
      edits: [edit(`${gateway}/request-body.ts`, 'if (!request.complete) request.destroy()', 'if (request.complete) request.destroy()')]
    }
  ]),
  attack('Uploads to an application that stand still, or come octet by octet', 'packages/curfew/test/gateway/slow-uploads.it.ts', [
    ...['on a path that needs no session', 'under a session'].map((where) => ({
      test: `${where} that stands still is refused with 408, and its connections go`,
      without: 'the time that a body may bring nothing',
      failsBy: 'timeout' as const,
      edits: [edit(`${gateway}/request-body.ts`, 'if (idleLooks < looks) arm()', 'if (idleLooks >= 0) arm()')]
    })),
    {
      test: 'that comes octet by octet is refused without a session, and goes on with one',
      without: 'what an upload without a session brings at the least',
      edits: [edit(`${gateway}/proxy/forward.ts`, 'opened === undefined ? openUploadBytesMin : 1', '1')]
    }
  ]),
  attack('A log that requests could fill', `${tests}/gateway.it.ts`, [
    {
      test: 'a flood of requests that are refused writes so many lines of a kind and no more, each of bounded length',
      without: 'the end of what strangers make the gateway write',
      edits: [edit('packages/curfew/src/cli/compose-gateway.ts', 'createBoundedLog(parts.logger, systemClock)', 'parts.logger')]
    }
  ]),
  attack('A flood of the list of revoked sessions', 'packages/codecs/test/revocation/revocation-list.test.ts', [
    {
      file: `${tests}/gateway.it.ts`,
      test: 'is taken in whole, every session on it is refused, and others go on meanwhile',
      without: 'the look at the list for every request',
      edits: [edit(`${gateway}/session/verdict.ts`, 'return keys.some(isEnded)', 'return keys.slice(0, 0).some(isEnded)')]
    },
    {
      test: 'it has none before the last page of a long list',
      without: 'the rule that a list counts once it is read to its end',
      edits: [edit('packages/codecs/src/revocation/revocation-list.ts', 'if (!page.hasMore) noteWhole(', 'if (page.seq > 0) noteWhole(')]
    },
    {
      file: 'packages/codecs/test/revocation/revoked-set.test.ts',
      test: 'forgets an entry when its time is over, and makes room for others without growing',
      without: 'the clearing of what is past',
      edits: [edit('packages/codecs/src/revocation/revoked-set.ts', '(table[at + 2] ?? 0) <= nowSeconds', '(table[at + 2] ?? 0) <= 0')]
    },
    {
      file: 'packages/curfew/test/gateway/provider-logout.it.ts',
      test: 'frames with any sid fill no list, and where the feed is followed they are not needed',
      without: 'the table of their own for messages that nobody signed',
      edits: [edit(`${gateway}/endpoints/provider-logout.ts`, 'ctx.endings.endSid(sid, senderOf(ctx, request))', 'endBySid(ctx, sid).then(() => true)')]
    },
    {
      file: 'packages/curfew/test/gateway/session/ended-by-provider.test.ts',
      test: 'takes no more room than it has for what nobody signed, and keeps what is in use',
      without: 'the end of that table',
      edits: [edit(`${gateway}/session/ended-by-provider.ts`, 'sizeMax: unsignedSidsMax', 'sizeMax: 2 * unsignedSidsMax')]
    },
    {
      file: 'packages/curfew/test/gateway/session/ended-by-provider.test.ts',
      test: 'by messages that nobody signed is pushed out by nobody else: one sender that sends many has a share',
      without: 'the share of a sender',
      edits: [edit(`${gateway}/session/ended-by-provider.ts`, 'senderSizeMax: senderSidsMax', 'senderSizeMax: unsignedSidsMax')]
    },
    ...(
      [
        [
          'AC-099 refuses a wrong secret, a client without the permission, and nobody at all',
          'the permission of the client',
          'caller.ts',
          'if (!client[permission]) throw',
          "if (client.id === '') throw"
        ],
        [
          'AC-100 refuses another content type, and a body that is not what is asked for',
          'the seal of an SRI: any text goes onto the list',
          'sri.ts',
          'if (sessionId === undefined) throw',
          "if (sessionId === undefined) return 'none' as SessionId\n  if (sri === '') throw"
        ]
      ] as const
    ).map(([test, without, file, from, to]) => ({
      file: 'packages/curfew/test/authority/session-management/session-management.test.ts',
      test,
      without,
      edits: [edit(`packages/curfew/src/authority/session-management/${file}`, from, to)]
    }))
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
