import { attack, type AttackClass, edit } from '../attack.ts'
import { takesTwoSessions } from './gateway.ts'

const tests = 'packages/curfew/test/attacks'
const authority = 'packages/curfew/src/authority'
const request = `${authority}/request.ts`

const looksAtDestination = edit(
  request,
  "return (destination === undefined || destination === 'document') && !isAhead(request)",
  'return destination !== undefined || !isAhead(request)'
)
const looksAtSite = edit(request, '  const site = request.headers[', '  if (friends.size > 0) return isTopLevel(request)\n  const site = request.headers[')
const looksAtToken = edit(
  `${authority}/pages/csrf.ts`,
  'return received.length === expected.length && timingSafeEqual(received, expected)',
  'return received.length !== 1_000_000 || timingSafeEqual(received, expected)'
)
const answers = `${authority}/logout-answer.ts`
const looksAtAnswer = edit(
  answers,
  "if (once === undefined || !csrf.check(boundTo(binding, once), token)) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})",
  "if (once === undefined || !csrf.check(boundTo(binding, once), token)) return 'first'"
)
const usesAnswerOnce = edit(answers, "(await store.replaySeen('logout answer', once, untilMs, nowMs)).value === 'fresh' ? 'first' : 'again'", "'first'")
const timesAnswer = edit(answers, 'if (nowMs >= untilMs) return', 'if (untilMs === 0) return')
const looksAhead = edit(
  request,
  String.raw`/\b(prefetch|prerender|preview)\b/i.test(String(value))`,
  String.raw`/\b(nothing is loaded ahead)\b/i.test(String(value))`
)
const refusesDoubles = edit(`${authority}/sign-on/planted-cookies.ts`, 'if (doubled.length === 0) return', 'if (doubled.length < 99) return')

const usesUpOwn = edit(`${authority}/opentoken/token-use.ts`, 'if (isHeard) await', 'if (!isHeard) await')

/** What can be done to the session of a person, and to its end. */
export const sessionAttacks: readonly AttackClass[] = [
  ...['/sso/initslo/', '/sso/terminatesession', '/ext/logout'].map((door) =>
    attack(`Logout CSRF at ${door}`, `${tests}/logout-csrf.test.ts`, [
      { test: `a picture on our own page to ${door} ends nothing`, without: 'the look at what the request is for', edits: [looksAtDestination] },
      { test: `a frame of the same site to ${door} ends nothing`, without: 'the look at what the request is for', edits: [looksAtDestination] },
      { test: `a link of another site to ${door} ends nothing`, without: 'the look at where the request comes from', edits: [looksAtSite] },
      { test: `a prefetch on our own page to ${door} ends nothing`, without: 'the look at what is loaded ahead', edits: [looksAhead] },
      {
        test: `a form of another site to ${door} with {"choice":"everywhere","csrfToken":"x"} ends nothing`,
        without: 'the token that binds a form to its browser',
        edits: [looksAtAnswer]
      }
    ])
  ),
  attack('Logout CSRF by picture', `${tests}/logout-csrf.test.ts`, [
    { test: 'a picture on our own page to /idp/startSLO.ping ends nothing', without: 'the look at what the request is for', edits: [looksAtDestination] },
    {
      test: 'a picture of another site to /idp/startSLO.ping ends nothing',
      without: 'the look at where the request comes from, and what it is for',
      edits: [looksAtDestination, looksAtSite]
    }
  ]),
  attack('Logout CSRF by frame', `${tests}/logout-csrf.test.ts`, [
    { test: 'a frame of the same site to /idp/startSLO.ping ends nothing', without: 'the look at what the request is for', edits: [looksAtDestination] },
    {
      file: `${tests}/logout-messages.test.ts`,
      test: 'carries strict headers and is never stored',
      without: 'frame-ancestors: a page of another site may show ours and have people click on it',
      edits: [edit(`${authority}/pages/page.ts`, '`frame-ancestors ${options.framedBySelf === true ? "\'self\'" : "\'none\'"}`,', '')]
    }
  ]),
  attack('Logout CSRF by link', `${tests}/logout-csrf.test.ts`, [
    { test: 'a link of another site to /idp/startSLO.ping ends nothing', without: 'the look at where the request comes from', edits: [looksAtSite] },
    {
      test: 'a site whose name only looks like ours to /idp/startSLO.ping ends nothing',
      without: 'the look at where the request comes from',
      edits: [looksAtSite]
    }
  ]),
  attack('Logout CSRF by form', `${tests}/logout-csrf.test.ts`, [
    {
      test: 'a form of another site to /signoff with {"choice":"everywhere","csrfToken":"x"} ends nothing',
      without: 'the token that binds a form to its browser',
      edits: [looksAtAnswer]
    },
    {
      test: 'a form of another site to /idp/startSLO.ping with {"consentGiven":"true"} ends nothing',
      without: 'the token that binds a form to its browser',
      edits: [looksAtAnswer]
    },
    { test: 'the answer of one browser does not count in another', without: 'the token that binds a form to its browser', edits: [looksAtAnswer] }
  ]),
  attack('The answer to a logout, used again', `${tests}/logout-answer.test.ts`, [
    ...['/signoff', '/idp/startSLO.ping', '/sp/startSLO.ping', '/idp/init_logout.openid', '/sso/initslo/', '/sso/terminatesession', '/ext/logout'].flatMap(
      (door) => [
        {
          test: `${door}: an answer counts once; the second use ends nothing, and the page asks again`,
          without: 'the use of each value once',
          edits: [usesAnswerOnce]
        },
        { test: `${door}: an answer after half an hour ends nothing, and the page asks again`, without: 'the time of each value', edits: [timesAnswer] }
      ]
    ),
    { test: 'used 100 times at once, exactly one counts', without: 'the use of each value once', edits: [usesAnswerOnce] },
    {
      test: 'values of other forms of this browser, of another browser, or changed, answer nothing',
      without: 'what each value is bound to',
      edits: [edit(answers, 'return `logout answer\\0${binding}\\0${once}`', 'return binding')]
    }
  ]),
  attack('Logout CSRF by prefetch', `${tests}/logout-csrf.test.ts`, [
    { test: 'a prefetch on our own page to /idp/startSLO.ping ends nothing', without: 'the look at what is loaded ahead', edits: [looksAhead] },
    { test: 'a prerender of an address that is typed to /idp/startSLO.ping ends nothing', without: 'the look at what is loaded ahead', edits: [looksAhead] },
    {
      file: `${tests}/logout-link-loaded-ahead.test.ts`,
      test: 'a one-time path of a sign-in is not used up',
      without: 'the answer of nothing to what is loaded ahead',
      edits: [looksAhead]
    }
  ]),
  attack('Session fixation', `${tests}/session-fixation.test.ts`, [
    {
      test: 'a session cookie that was there before the sign-in is not the one after it',
      without: 'the fresh cookie of every sign-in',
      edits: [
        edit(
          `${authority}/sign-on/sign-in.ts`,
          '  const { sessionId: id, isPersistent } = opening\n  const cookies = cookiesOf(ctx, opening, ctx.ids.group)',
          "  const { sessionId: id, isPersistent } = opening\n  const cookies = { session: request.cookies['PF'] ?? cookiesOf(ctx, opening, ctx.ids.group).session, persistent: undefined as unknown as string }"
        )
      ]
    },
    {
      test: 'a form that was made for the attacker’s browser signs the victim’s in as nobody',
      without: 'the token that binds a form to its browser',
      edits: [looksAtToken]
    },
    {
      file: `${tests}/sign-in-answers.test.ts`,
      test: 'the answer that one browser asked for signs no other browser in',
      without: 'the comparison of the browser that asked with the one that brings the answer',
      edits: [edit(`${authority}/upstream/waiting.ts`, 'if (seen?.asker !== undefined && seen.asker.formHash !== formHash) throw', 'if (seen === null) throw')]
    }
  ]),
  attack('Cookie tossing', `${tests}/cookie-tossing.test.ts`, [
    { test: 'two session cookies open no session, neither in front nor behind', without: 'the refusal of a cookie that comes twice', edits: [refusesDoubles] },
    {
      test: 'no logout passes over the session behind the other cookie: it is refused, never said to be done',
      without: 'the refusal of a cookie that comes twice',
      edits: [refusesDoubles]
    },
    {
      test: 'a form cookie that was planted beside the real one signs nobody in as somebody else',
      without: 'the refusal of a cookie that comes twice',
      edits: [refusesDoubles]
    },
    {
      file: `${tests}/gateway.it.ts`,
      test: 'AC-077 of another audience, host or gateway, tampered, truncated or doubled: nobody gets in',
      without: 'the refusal of cookies of two sessions, at the gateway',
      edits: [takesTwoSessions]
    }
  ]),
  attack('OpenTokens in the other direction', `${tests}/opentoken-directions.test.ts`, [
    ...['query', 'form', 'cookie'].map((transport) => ({
      test: `what the login application is told at a logout signs nobody in again: ${transport}`,
      without: 'the use of our own tokens before they leave',
      edits: [usesUpOwn]
    })),
    {
      test: 'what the login application is told at a logout signs nobody in again: reference',
      without: 'the two places of references, one for each direction',
      edits: [
        edit(
          'packages/curfew/src/core/reference-key.ts',
          '`reference:${place.for}:${reference}:${place.adapterId}`',
          '`reference:any:${reference}:${place.adapterId}`'
        )
      ]
    },
    {
      test: 'the token with which an application was opened signs nobody in at a login application of the same password',
      without: 'the use of our own tokens before they leave',
      edits: [usesUpOwn]
    },
    {
      test: 'the answer of an application to a logout signs nobody in',
      without: 'the refusal of answers where a sign-in waits',
      edits: [
        edit(
          `${authority}/opentoken/answer.ts`,
          'Object.values(answerNames).every((name) => attributes[name] !== undefined)',
          'Object.values(answerNames).length > 99'
        )
      ]
    },
    {
      test: 'the token with which one person opened an application is no account of another',
      without: 'the use of our own tokens before they leave',
      edits: [usesUpOwn]
    }
  ]),
  attack('Back button and bfcache after logout', `${tests}/back-button.it.ts`, [
    ...['pages that were left are kept whole (bfcache)', 'pages that were left come from the cache'].map((where) => ({
      test: `where ${where}, going back shows nothing of the person who left`,
      without: 'no-store on the pages of a person, and the word to drop them at the sign-out',
      edits: [
        edit(
          `${authority}/pages/page.ts`,
          "    'cache-control': 'no-cache, no-store',\n    pragma: 'no-cache',\n",
          "    'cache-control': 'private, max-age=600',\n"
        ),
        edit(`${authority}/request.ts`, "reply.header('clear-site-data', '\"cache\"')", "reply.header('x-nothing', 'at all')")
      ]
    })),
    ...['kept whole (bfcache)', 'taken from the cache'].map((how) => ({
      file: 'packages/curfew/test/gateway/journeys.it.ts',
      test: `after /pa/oidc/logout alone, "back" and "forward" have nothing private to show, with pages ${how}`,
      without: 'what keeps browsers from keeping pages of applications, and the word to drop them at the sign-out',
      edits: [
        edit(
          'packages/curfew/src/gateway/proxy/response-headers.ts',
          'if (options.isPrivate && !mayBeKept(headers))',
          "if (options.isPrivate && options.origin === '')"
        ),
        edit('packages/curfew/src/gateway/endpoints/logout.ts', "'clear-site-data': '\"cache\"'", "'x-nothing': 'at all'")
      ]
    }))
  ])
]
