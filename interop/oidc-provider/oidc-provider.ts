import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { npmVersion, startNode } from '../harness/node-program.ts'
import { type Program, untilAnswers } from '../harness/programs.ts'
import type { RealUpstream, UpstreamKind } from '../upstream/upstream.ts'

/** oidc-provider as an OpenID provider that tells its clients of logouts, and lets them start one. */
export const oidcProvider: UpstreamKind = kind({ id: 'op', name: 'oidc-provider', hasLogout: true })

/** The same without any logout, as the large public providers are. */
export const oidcProviderWithoutLogout: UpstreamKind = kind({ id: 'social', name: 'oidc-provider without logout', hasLogout: false })

interface Shape {
  readonly id: string
  readonly name: string
  readonly hasLogout: boolean
}

function kind(shape: Shape): UpstreamKind {
  const version = npmVersion('oidc-provider')
  return {
    id: shape.id,
    name: shape.name,
    host: `${shape.id}.localhost`,
    missing: () => (version === undefined ? 'oidc-provider is not installed' : undefined),
    launch: (place) => launch(shape, version ?? 'unknown', place)
  }
}

async function launch({ id, name, hasLogout }: Shape, version: string, place: Parameters<UpstreamKind['launch']>[0]): Promise<RealUpstream> {
  const { folder, port, programs, authorityUrl } = place
  const origin = `http://${id}.localhost:${port}`
  const [clientSecret, password] = [randomBytes(24).toString('base64url'), randomBytes(24).toString('hex')]
  mkdirSync(folder, { recursive: true })
  const environment = {
    PORT: String(port),
    BASE_URL: origin,
    CLIENT_ID: 'curfew',
    CLIENT_SECRET: clientSecret,
    REDIRECT_URI: `${authorityUrl}/sp/${id}/cb.openid`,
    LOGGED_OUT_URI: `${authorityUrl}/sp/${id}/logged-out.openid`,
    BACK_CHANNEL_URI: `${authorityUrl}/sp/${id}/backchannel-logout.openid`,
    PASSWORD: password,
    LOGOUT: hasLogout ? 'yes' : 'no'
  }
  let program: Program | undefined
  const start = async (): Promise<void> => {
    program = startNode(programs, { name, folder, file: join(import.meta.dirname, 'app.ts'), environment })
    await untilAnswers(program, `${origin}/out`)
  }
  await start()
  return {
    id,
    name,
    version: `${version} (Node ${process.versions.node})`,
    origin,
    hasLogout,
    protectedUrl: `${origin}/me`,
    insideMark: 'Inside the provider',
    signOutUrl: hasLogout ? `${origin}/session/end` : `${origin}/signout`,
    outsideMark: 'Outside of the provider',
    identityProvider: {
      protocol: 'oidc',
      issuer: origin,
      clientId: 'curfew',
      clientSecret,
      username: 'preferred_username',
      attributes: { email: 'mail' }
    },
    async signIn({ page }, user) {
      await page.fill('input[name=username]', user)
      await page.fill('input[name=password]', password)
      await page.press('input[name=password]', 'Enter')
    },
    signInMark: 'Sign in at the provider',
    start,
    stop: async () => program?.stop()
  }
}
