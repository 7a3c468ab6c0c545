import { CurfewError } from '@curfew/codecs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { EndScope } from '../../core/end-sessions.ts'
import type { SessionId } from '../../core/ids.ts'
import { isLive, type Session } from '../../core/session.ts'
import { type Html, html } from '../pages/html.ts'
import type { SignOffDeps } from './deps.ts'
import { formOf, requireCsrf, sendPage } from './reply.ts'
import { sessionsBody } from './sessions-body.ts'

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
  const nowMs = deps.clock.nowMs()
  const { found, unreached } = await deps.everywhere.byUser(session.userKey)
  const live = found.filter((s) => isLive(s, nowMs)).sort((a, b) => a.createdAtMs - b.createdAtMs)
  const sessions = await Promise.all(
    live.map(async (one) => ({ session: one, isThis: one.id === session.id, participants: await deps.store.getParticipants(one.id) }))
  )
  const asksPassword = deps.hasPassword(session)
  const body = sessionsBody({
    context,
    sessions,
    isSomeAway: unreached.length > 0,
    links: await deps.accountLinks(session),
    csrfToken: deps.csrf.token(session.tokenHash),
    asksPassword,
    nameOf: (id) => deps.peer(id)?.name ?? id,
    ...(asksPassword && deps.passwordUrl !== undefined ? { passwordUrl: deps.passwordUrl } : {}),
    ...(notice === undefined ? {} : { notice })
  })
  return sendPage(reply, context, context.t('sessions.title'), body)
}
