import type { ServerResponse } from 'node:http'
import type { JSONWebKeySet } from 'jose'
import { send } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import { readablePeriods } from '../session/cookie-keys.ts'
import { signingKeyId, signingPair } from '../session/sealer.ts'
import { sealUse } from '../session/session-cookies.ts'

/** `/pa/oidc/JWKS`: the public key of the gateway as a client of its provider. */
export async function sendClientKeys(ctx: GatewayContext, response: ServerResponse): Promise<void> {
  send(response, 'application/json', JSON.stringify(await ctx.provider.ownKeys()))
}

/** `/pa/authtoken/JWKS`: the public keys of signed web sessions, as far back as a cookie may be good. */
export function sendCookieKeys(ctx: GatewayContext, response: ServerResponse): void {
  const signed = new Map(ctx.settings.applications.map(({ webSession }) => [webSession.id, webSession] as const))
  const keys = [...signed.values()]
    .filter(({ cookieType }) => cookieType === 'signed')
    .flatMap((settings) =>
      readablePeriods(ctx.clock.nowMs(), settings.maxMs).map((period) => ({
        ...signingPair(ctx.secret, sealUse(settings), period).publicKey.export({ format: 'jwk' }),
        kid: signingKeyId(sealUse(settings), period),
        alg: 'ES256',
        use: 'sig'
      }))
    )
  send(response, 'application/json', JSON.stringify({ keys } as JSONWebKeySet))
}
