import { CurfewError } from '@curfew/codecs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { EndScope } from '../../core/end-sessions.ts'
import type { SessionId } from '../../core/ids.ts'
import { isLive, type Session } from '../../core/session.ts'
import { type Html, html } from '../pages/html.ts'
import type { PageContext } from '../pages/page.ts'
import type { LinkedAccount, SignOffDeps } from './deps.ts'
import { formOf, requireCsrf, sendPage } from './reply.ts'

/** My sessions on my devices: see them, end one, end all others; whoever has a password here is asked for it again. */
export function registerSessionsPage(app: FastifyInstance, deps: SignOffDeps): void {
  app.get('/signoff/sessions', async (request, reply) => {
    const session = await deps.currentSession(request)
    return session === undefined ? reply.redirect('/', 303) : show(deps, session, request, reply, undefined)
  })
  app.post('/signoff/sessions', async (request, reply) => change(deps, request, reply))
}

async function change(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const session = await deps.currentSession(request)
  if (session === undefined) return reply.redirect('/', 303)
  const form = formOf(request)
  requireCsrf(deps.csrf, session.tokenHash, form)
  const checked = deps.hasPassword(session) ? await deps.reauthenticate(session, form['password'] ?? '') : 'ok'
  const { t } = deps.pageContext(request)
  if (checked === 'failed') return show(deps, session, request, reply, html`<p class="bad" role="alert">${t('signon.failed')}</p>`)
  if (checked === 'locked')
    return show(deps, session, request, reply, html`<p class="bad" role="alert">${t('signon.locked', { minutes: deps.lockedMinutes })}</p>`)
  const unlink = form['unlink']
  if (unlink !== undefined) {
    const isDone = await deps.unlinkAccount(session, unlink)
    return show(deps, session, request, reply, isDone ? html`<p class="good" role="status">${t('link.removed')}</p>` : undefined)
  }
  const scope = await wishedScope(deps, session, form['end'] ?? '')
  if (scope === undefined) return show(deps, session, request, reply, undefined)
  const summary = await deps.engine.endSessions({
    scope,
    reason: 'user',
    by: { kind: 'user', id: session.username },
    starter: { kind: 'user' },
    browser: 'absent'
  })
  const own = summary.ended.find((ended) => ended.sessionId === session.id)
  if (own !== undefined) return reply.redirect(`/signoff/${own.runId}`, 303)
  if (summary.unreached !== undefined) throw new CurfewError('CURFEW_GROUP_UNREACHABLE', { group: summary.unreached.join(' ') })
  const done = html`<p class="good" role="status">${t('sessions.ended', { count: summary.ended.length })}</p>`
  return show(deps, session, request, reply, done)
}

/** A person can end own sessions only: the wish is looked up among them. */
async function wishedScope(deps: SignOffDeps, session: Session, wish: string): Promise<EndScope | undefined> {
  if (wish === 'others') return { kind: 'user', userKey: session.userKey, except: session.id }
  const own = await deps.everywhere.byUser(session.userKey)
  const found = own.found.find((candidate) => candidate.id === wish)
  return found === undefined ? undefined : { kind: 'session', sessionId: found.id as SessionId }
}

async function show(deps: SignOffDeps, session: Session, request: FastifyRequest, reply: FastifyReply, notice: Html | undefined): Promise<FastifyReply> {
  const context = deps.pageContext(request)
  const { t } = context
  const nowMs = deps.clock.nowMs()
  const { found, unreached } = await deps.everywhere.byUser(session.userKey)
  const sessions = found.filter((s) => isLive(s, nowMs)).sort((a, b) => a.createdAtMs - b.createdAtMs)
  const lines = await Promise.all(sessions.map(async (s) => line(deps, context, s, s.id === session.id)))
  const more = unreached.length > 0 && html`<p class="muted" role="status">${t('sessions.someAway')}</p>`
  const others =
    (sessions.length > 1 || unreached.length > 0) && html`<div class="actions"><button name="end" value="others">${t('sessions.endOthers')}</button></div>`
  const links = await deps.accountLinks(session)
  const password = html`<label for="password">${t('sessions.confirm')}</label><input id="password" name="password" type="password" autocomplete="current-password" required>`
  const change =
    deps.hasPassword(session) &&
    deps.passwordUrl !== undefined &&
    html`<ul class="links"><li><a href="${deps.passwordUrl}">${t('password.changeTitle')}</a></li></ul>`
  const body = html`<h1>${t('sessions.title')}</h1>${notice}<p>${t('sessions.text')}</p><form method="post" action="/signoff/sessions"><input type="hidden" name="csrfToken" value="${deps.csrf.token(session.tokenHash)}">${deps.hasPassword(session) && password}<ul class="list">${lines}</ul>${more}${others}${linkList(deps, context, links)}</form>${change}`
  return sendPage(reply, context, t('sessions.title'), body)
}

async function line(deps: SignOffDeps, context: PageContext, session: Session, isThis: boolean): Promise<Html> {
  const { t, language } = context
  const participants = await deps.store.getParticipants(session.id)
  const nameOf = (id: string): string => deps.peer(id)?.name ?? id
  const names = [...new Set(participants.map((p) => (p.grant === undefined ? nameOf(p.peerId) : t('live.offline', { app: nameOf(p.peerId) }))))]
  const when = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(session.createdAtMs)
  const apps = names.length === 0 ? t('sessions.noApps') : t('sessions.apps', { apps: new Intl.ListFormat(language).format(names) })
  const device = isThis ? html`<strong>${t('sessions.this')}</strong> · ` : undefined
  return html`<li><span class="name">${device}${deviceName(session.userAgent) ?? t('sessions.unknownDevice')}<br><span class="muted">${t('sessions.started', { when })}<br>${apps}</span></span><span class="small"><button name="end" value="${session.id}" aria-label="${t('sessions.endThis', { when })}">${t('sessions.end')}</button></span></li>`
}

/** Sign-ins elsewhere that open this account, then accounts at applications; each may be taken back. */
function linkList(deps: SignOffDeps, context: PageContext, links: readonly LinkedAccount[]): Html {
  const of = (wanted: LinkedAccount['role']): readonly Html[] => links.filter(({ role }) => role === wanted).map((link) => linkLine(deps, context, link))
  const [signIns, accounts] = [of('upstream'), of('application')]
  const { t } = context
  const first = signIns.length > 0 && html`<h2>${t('link.listTitle')}</h2><p>${t('link.listText')}</p><ul class="list">${signIns}</ul>`
  const second = accounts.length > 0 && html`<h2>${t('link.appsTitle')}</h2><p>${t('link.appsText')}</p><ul class="list">${accounts}</ul>`
  return html`${first}${second}`
}

function linkLine(deps: SignOffDeps, { t, language }: PageContext, { id, providerId, providerUser, linkedAtMs }: LinkedAccount): Html {
  const provider = deps.peer(providerId)?.name ?? providerId
  const when = new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(linkedAtMs)
  const name = t('link.removeThis', { provider, user: providerUser })
  return html`<li><span class="name">${provider}<br><span class="muted">${t('link.since', { user: providerUser, when })}</span></span><span class="small"><button name="unlink" value="${id}" aria-label="${name}">${t('link.remove')}</button></span></li>`
}

/** A name a person recognises, from a User-Agent: browser and system, never the whole header. */
export function deviceName(userAgent: string | undefined): string | undefined {
  if (userAgent === undefined) return undefined
  const browsers: readonly (readonly [string, string])[] = [
    ['Edg/', 'Edge'],
    ['OPR/', 'Opera'],
    ['Firefox/', 'Firefox'],
    ['Chrome/', 'Chrome'],
    ['Safari/', 'Safari']
  ]
  const systems: readonly (readonly [string, string])[] = [
    ['Android', 'Android'],
    ['iPhone', 'iPhone'],
    ['iPad', 'iPad'],
    ['Windows', 'Windows'],
    ['Mac OS X', 'macOS'],
    ['Linux', 'Linux']
  ]
  const browser = browsers.find(([mark]) => userAgent.includes(mark))?.[1]
  const system = systems.find(([mark]) => userAgent.includes(mark))?.[1]
  return browser === undefined ? system : system === undefined ? browser : `${browser}, ${system}`
}
