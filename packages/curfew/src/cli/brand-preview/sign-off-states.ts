import { autoPostPage } from '../../authority/pages/auto-post.ts'
import { type Html, html, trusted } from '../../authority/pages/html.ts'
import { type PageContext, renderPage } from '../../authority/pages/page.ts'
import { askBody, type AskedApp, type AskParts, cancelledBody } from '../../authority/sign-off/ask-page.ts'
import { doneBody } from '../../authority/sign-off/done-page.ts'
import { livePage, resultBody, resultTitle, stayLink } from '../../authority/sign-off/live-page.ts'
import type { RunView } from '../../authority/sign-off/run-view.ts'
import { type SessionsParts, sessionsBody } from '../../authority/sign-off/sessions-body.ts'
import { changePath } from '../../authority/sign-on/password-page.ts'
import type { LogoutRun } from '../../core/run.ts'
import {
  ended,
  type ExampleApp,
  exampleApps,
  exampleCsrfToken as csrfToken,
  type ExampleDelivery,
  exampleLinks,
  exampleNowMs,
  exampleOutcome,
  examplePeer,
  exampleSessions,
  exampleUser,
  exampleView
} from './example.ts'
import { type PageState, type Section, state } from './state.ts'

const asked: readonly AskedApp[] = (['payroll', 'travel', 'wiki'] as const).map((id: ExampleApp) => ({ id, name: exampleApps[id], canLeave: id !== 'wiki' }))

const ask = (id: string, when: string, parts: Partial<AskParts>): PageState =>
  state(id, when, 'ask.title', (context) => askBody({ context, username: exampleUser, apps: asked, csrfToken, ...parts }))

/** The page of a sign-out under way, as it stands at one moment. */
function live(id: string, when: string, deliveries: readonly ExampleDelivery[], isOwner = true, run: Partial<LogoutRun> = {}): PageState {
  return {
    id,
    when,
    async draw(context) {
      const view = exampleView(context, deliveries, run, isOwner)
      const clock = { nowMs: () => exampleNowMs }
      const engine = { apply: async () => view.run, waitFor: async () => view.run }
      const chunks = await Array.fromAsync(livePage({ view, engine, clock, isCopy: false, isClosed: () => true }))
      return trusted(chunks.join(''))
    }
  }
}

interface ResultChange {
  readonly run?: Partial<LogoutRun>
  readonly isOwner?: boolean
  readonly draw?: (view: RunView) => Html
}

function result(id: string, when: string, deliveries: readonly ExampleDelivery[], { run = {}, isOwner = true, draw }: ResultChange = {}): PageState {
  return {
    id,
    when,
    draw(context) {
      const view = exampleView(context, deliveries, { state: 'done', ...run }, isOwner)
      return renderPage(context, { title: resultTitle(view), body: draw?.(view) ?? resultBody(view, undefined) })
    }
  }
}

const home = (view: RunView): Html => resultBody(view, { url: '/', label: view.context.t('error.home') })
const leftOut: ExampleDelivery = { app: 'wiki', outcome: exampleOutcome('not-asked', 'CURFEW_RUN_NOT_CHOSEN') }
const survivor: ExampleDelivery = { app: 'mail', grant: 'offline', outcome: exampleOutcome('not-asked', 'CURFEW_RUN_OFFLINE_GRANT') }
const openedAgain: ExampleDelivery = { app: 'payroll', outcome: exampleOutcome('unconfirmed', 'CURFEW_RUN_OPENED_AGAIN') }
const hop: ExampleDelivery = {
  app: 'travel',
  state: 'waiting-for-browser',
  channels: [{ kind: 'hop', binding: 'redirect', url: 'https://travel.example/slo' }],
  attempts: []
}
const atHost = (host: string): ExampleDelivery => ({
  app: 'reports',
  outcome: exampleOutcome('unconfirmed'),
  channels: [{ kind: 'frame', binding: 'image', url: `https://${host}/pa/oidc/logout.png` }]
})

export const signOffStates: Section = {
  title: 'Sign-out',
  states: [
    ask('ask', 'Before anything ends', {}),
    ask('ask-none', 'No application was opened', { apps: [] }),
    ask('ask-offline', 'Some would keep access', { survivors: [exampleApps.mail, exampleApps.reports] }),
    ask('ask-again', 'The question had been answered before', { isAgain: true }),
    state('ask-application', 'An application asks, in another browser than the one of the session', 'ask.title', (context) =>
      askBody({ context, text: context.t('ask.asked', { app: exampleApps.wiki }), apps: [], csrfToken })
    ),
    state('cancelled', 'The person stays signed in', 'ask.cancelled', ({ t }) => cancelledBody(t)),
    live('live', 'Under way', [
      ended('payroll'),
      { app: 'wiki', state: 'sent' },
      { app: 'calendar', state: 'pending', attempts: [] },
      { app: 'chat', state: 'retrying' }
    ]),
    live('live-next', 'The browser is sent to an application', [ended('payroll'), hop]),
    live('live-elsewhere', 'Looked at in another browser', [ended('payroll'), { app: 'wiki', state: 'sent' }], false),
    result('result-all', 'Everybody confirmed', [ended('payroll'), ended('travel'), { app: 'wiki', outcome: exampleOutcome('already-ended') }]),
    result('result-none', 'No application was opened', []),
    result('result-partial', 'Not everybody did, with every way in which that happens', [
      ended('payroll'),
      { app: 'wiki', outcome: exampleOutcome('already-ended') },
      { app: 'travel', outcome: exampleOutcome('timed-out') },
      { app: 'calendar', outcome: exampleOutcome('unreachable') },
      { app: 'archive', outcome: exampleOutcome('unsupported'), channels: [] },
      { app: 'chat', outcome: exampleOutcome('refused') },
      { app: 'mail', outcome: exampleOutcome('not-asked'), channels: [] },
      atHost('reports.example'),
      atHost('reports.partner.example')
    ]),
    result('result-background', 'One did not, and is tried again', [ended('payroll'), { app: 'chat', state: 'retrying' }], { run: { state: 'open' } }),
    result('result-starter', 'Began in an application, seen in another browser', [ended('payroll')], {
      isOwner: false,
      run: { starter: { kind: 'participant', participantId: 'wiki:example', peerId: 'wiki', binding: 'redirect', requestId: 'example', wantsResponse: true } }
    }),
    result('result-landing', 'Goes on to another page after a while', [ended('payroll'), { app: 'chat', outcome: exampleOutcome('timed-out') }], {
      draw: (view) => html`${resultBody(view, { url: '/', label: view.context.t('live.continue') })}${stayLink(view)}`
    }),
    result('result-offline', 'Some keep access', [ended('payroll'), survivor, { app: 'reports', grant: 'offline', outcome: exampleOutcome('ended') }]),
    live('live-only', 'Of one application only, under way', [{ app: 'payroll', state: 'sent' }, leftOut], true, { isPartial: true }),
    result('result-only', 'Of one application only', [ended('payroll'), leftOut], { run: { isPartial: true }, draw: home }),
    result('result-only-partial', 'Of one application only, which did not confirm', [{ app: 'payroll', outcome: exampleOutcome('timed-out') }, leftOut], {
      run: { isPartial: true },
      draw: home
    }),
    result('result-only-again', 'Of one application only, which was opened again meanwhile', [openedAgain, leftOut], { run: { isPartial: true }, draw: home }),
    state('done', 'The end without a page of its own', 'done.title', ({ t, brand }) => doneBody(t, brand.organisation, true)),
    state('done-nothing', 'Nobody was signed in', 'done.nothing', ({ t, brand }) => doneBody(t, brand.organisation, false)),
    {
      id: 'post',
      when: 'Carries a message on; seen where no script does it at once',
      draw: (context) => autoPostPage(context, 'https://payroll.example/slo', { SAMLResponse: 'example' })
    }
  ]
}

const sessions = (id: string, when: string, change: (context: PageContext) => Partial<SessionsParts>): PageState =>
  state(id, when, 'sessions.title', (context) =>
    sessionsBody({
      context,
      sessions: exampleSessions,
      isSomeAway: false,
      links: [],
      csrfToken,
      asksPassword: true,
      passwordUrl: changePath,
      nameOf: (peer) => examplePeer(peer).name,
      ...change(context)
    })
  )

export const sessionsStates: Section = {
  title: 'My sessions',
  states: [
    sessions('sessions', 'In three places', () => ({})),
    sessions('sessions-ended', 'Others were ended', ({ t }) => ({
      sessions: exampleSessions.slice(0, 1),
      notice: html`<p class="good" role="status">${t('sessions.ended', { count: 2 })}</p>`
    })),
    sessions('sessions-wrong', 'A wrong password', ({ t }) => ({ notice: html`<p class="bad" role="alert">${t('signon.failed')}</p>` })),
    sessions('sessions-away', 'A part of the cluster does not answer', () => ({ sessions: exampleSessions.slice(0, 1), isSomeAway: true })),
    sessions('sessions-links', 'Linked accounts', () => ({ sessions: exampleSessions.slice(0, 1), links: exampleLinks, asksPassword: false })),
    sessions('sessions-unlinked', 'A link was removed', ({ t }) => ({
      sessions: exampleSessions.slice(0, 1),
      notice: html`<p class="good" role="status">${t('link.removed')}</p>`
    }))
  ]
}
