import express from 'express'
import openid, { type Session, type SessionStore } from 'express-openid-connect'

const { auth, requiresAuth } = openid

/** An application as the documents of express-openid-connect have it, with back-channel logout switched on. */

const settings = process.env as Readonly<Record<'PORT' | 'BASE_URL' | 'ISSUER' | 'CLIENT_ID' | 'CLIENT_SECRET' | 'SESSION_SECRET', string>>

/** Sessions and received logouts, in memory. */
const kept = new Map<string, Parameters<Parameters<SessionStore<Session>['get']>[1]>[1]>()
const store: SessionStore<Session> = {
  get: (id, done) => done(null, kept.get(id)),
  set(id, session, done) {
    kept.set(id, session)
    done?.(null)
  },
  destroy(id, done) {
    kept.delete(id)
    done?.(null)
  }
}

function page(title: string, body = ''): string {
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}`
}

const app = express()
app.use(
  auth({
    issuerBaseURL: settings.ISSUER,
    baseURL: settings.BASE_URL,
    clientID: settings.CLIENT_ID,
    clientSecret: settings.CLIENT_SECRET,
    clientAuthMethod: 'client_secret_basic',
    secret: settings.SESSION_SECRET,
    authorizationParams: { response_type: 'code', scope: 'openid profile email' },
    authRequired: false,
    idpLogout: true,
    backchannelLogout: true,
    session: { store },
    routes: { postLogoutRedirect: '/outside' }
  })
)
app.get('/app', requiresAuth(), (request, response) => {
  const user = request.oidc.user ?? {}
  response.set('cache-control', 'no-store')
  response.send(page(`Inside ${settings.CLIENT_ID}`, `<p>Name <b id="name">${String(user['sub'])}</b>, mail <b id="mail">${String(user['email'])}</b></p>`))
})
app.get('/outside', (_request, response) => {
  response.send(page(`Outside of ${settings.CLIENT_ID}`))
})
app.listen(Number(settings.PORT), '127.0.0.1')
