import { generateKeyPairSync, randomBytes } from 'node:crypto'
import Provider, { type Configuration, interactionPolicy } from 'oidc-provider'

/** An OpenID provider as somebody would set it up who reads the documentation of oidc-provider: a sign-in form, one client. */

const settings = process.env as Readonly<
  Record<'PORT' | 'BASE_URL' | 'CLIENT_ID' | 'CLIENT_SECRET' | 'REDIRECT_URI' | 'LOGGED_OUT_URI' | 'BACK_CHANNEL_URI' | 'PASSWORD' | 'LOGOUT', string>
>
const { BASE_URL: issuer, PASSWORD: password } = settings
/** As the large public providers: people sign out at a page of its own, and nobody is told. */
const hasLogout = settings.LOGOUT === 'yes'

const policy = interactionPolicy.base()
policy.remove('consent')

const logout = {
  post_logout_redirect_uris: [settings.LOGGED_OUT_URI],
  backchannel_logout_uri: settings.BACK_CHANNEL_URI,
  backchannel_logout_session_required: true
}

const configuration: Configuration = {
  clients: [
    {
      client_id: settings.CLIENT_ID,
      client_secret: settings.CLIENT_SECRET,
      redirect_uris: [settings.REDIRECT_URI],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      ...(hasLogout ? logout : {})
    }
  ],
  jwks: { keys: [{ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  claims: { openid: ['sub', 'preferred_username', 'email'] },
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: hasLogout },
    rpInitiatedLogout: {
      enabled: hasLogout,
      logoutSource: async (ctx, form) => {
        ctx.body = page(
          'Leaving',
          `${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button><script>document.querySelector('button').click()</script>`
        )
      },
      postLogoutSuccessSource: async (ctx) => {
        ctx.body = page('Outside of the provider')
      }
    }
  },
  interactions: { policy, url: (_ctx, { uid }) => `/interaction/${uid}` },
  findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, preferred_username: id, email: `${id}@example.com` }) }),
  // Its own dispatcher refuses loopback, where all of this runs.
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined } as RequestInit),
  async loadExistingGrant(ctx) {
    const { client, session } = ctx.oidc
    const grant = new ctx.oidc.provider.Grant({ clientId: client?.clientId ?? '', accountId: session?.accountId ?? '' })
    grant.addOIDCScope('openid profile email')
    await grant.save()
    return grant
  },
  renderError: async (ctx, out, error) => {
    console.error(error)
    ctx.body = page('Error', `<pre>${JSON.stringify(out)}</pre>`)
  }
}

const provider = new Provider(issuer, configuration)

function page(title: string, body = ''): string {
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}`
}

provider.use(async (ctx, next) => {
  const [, place = '', uid = ''] = ctx.path.split('/')
  if (place === 'me') {
    const session = await provider.Session.get(ctx)
    if (session.accountId === undefined) return ctx.redirect('/out')
    ctx.body = page('Inside the provider', `<p>Name <b id="name">${session.accountId}</b></p>`)
    return
  }
  if (place === 'out') {
    ctx.body = page('Outside of the provider')
    return
  }
  // What stands for the page at which people of a large public provider sign out.
  if (place === 'signout') {
    await (await provider.Session.get(ctx)).destroy()
    return ctx.redirect('/out')
  }
  if (place !== 'interaction') {
    await next()
    return
  }
  if (ctx.method === 'GET') {
    ctx.body = page(
      'Sign in at the provider',
      `<form method="post" action="/interaction/${uid}"><input name="username" autocomplete="username"><input name="password" type="password"><button>Sign in</button></form>`
    )
    return
  }
  const form = new URLSearchParams(await bodyOf(ctx.req))
  const accountId = form.get('username') ?? ''
  if (form.get('password') !== password || !/^\w+$/.test(accountId)) ctx.throw(403)
  ctx.respond = false
  await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId } })
})

async function bodyOf(stream: NodeJS.ReadableStream): Promise<string> {
  let body = ''
  for await (const part of stream.setEncoding('utf8')) body += String(part)
  return body
}

provider.on('server_error', (_ctx, error) => console.error(error))
provider.on('backchannel.error', (_ctx, error) => console.error(error))
provider.listen(Number(settings.PORT), '127.0.0.1')
