import { CurfewError } from '@curfew/codecs'
import type { FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { createLocalJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import { type Parameters, parametersOf } from '../request.ts'
import type { OidcClient } from './client.ts'
import { isSecretOf } from './client-secret.ts'
import { oidcPaths } from './endpoints.ts'
import { isShownBy } from './mutual-tls/authenticate.ts'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const assertionAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']
/** An assertion is good for so long at most, in seconds. */
const assertionAgeSecondsMax = 300

/**
 * The client behind a request to one of our own endpoints, by its configured method and no other.
 * @throws CURFEW_OIDC_CLIENT_AUTHENTICATION (401)
 */
export async function authenticateClient(deps: AuthorityContext, request: FastifyRequest): Promise<OidcClient> {
  const parameters = parametersOf(request)
  const basic = basicOf(request.headers.authorization)
  const assertion = parameters['client_assertion']
  const methods = [basic, parameters['client_secret'], assertion].filter((method) => method !== undefined)
  if (methods.length > 1) throw refused('more than one method')
  if (basic !== undefined) return bySecret(deps, 'clientSecretBasic', basic.clientId, basic.secret)
  if (assertion !== undefined) return byAssertion(deps, parameters, assertion)
  const { client_id: clientId, client_secret: secret } = parameters
  if (secret === undefined) return byCertificate(deps, clientId, request)
  return bySecret(deps, 'clientSecretPost', clientId, secret)
}

/** RFC 8705 section 2: the client says who it is, and its certificate proves it. */
async function byCertificate(deps: AuthorityContext, clientId: string | undefined, request: FastifyRequest): Promise<OidcClient> {
  const client = await deps.clients.find(clientId ?? '')
  const shown = deps.clientCertificates.of(request.raw)
  const isOf = async (again: boolean): Promise<boolean> =>
    client !== undefined && shown !== undefined && (await isShownBy(shown, client, () => deps.clientKeys.of(client, again)).catch(() => false))
  // A new certificate may be in the set by now.
  const isRight = (await isOf(false)) || (await isOf(true))
  if (client === undefined || !isRight) throw refused('no proof, or not the certificate of the client')
  return client
}

async function bySecret(
  deps: AuthorityContext,
  method: OidcClient['authentication'],
  clientId: string | undefined,
  secret: string | undefined
): Promise<OidcClient> {
  const client = await deps.clients.find(clientId ?? '')
  const isRight = isSecretOf(client, secret ?? '')
  if (client === undefined || client.authentication !== method || !isRight) throw refused('unknown client, wrong secret or wrong method')
  return client
}

/** RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. */
function basicOf(header: string | undefined): { readonly clientId: string; readonly secret: string } | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const at = text.indexOf(':')
  if (at < 0) throw refused('malformed')
  try {
    const decode = (part: string): string => decodeURIComponent(part.replaceAll('+', ' '))
    return { clientId: decode(text.slice(0, at)), secret: decode(text.slice(at + 1)) }
  } catch {
    throw refused('malformed')
  }
}

/** RFC 7523: signed by the client's key, for us, short-lived, used once. */
async function byAssertion(deps: AuthorityContext, parameters: Parameters, assertion: string): Promise<OidcClient> {
  if (parameters['client_assertion_type'] !== assertionType) throw refused('unknown assertion type')
  const client = await deps.clients.find(claimedIssuer(assertion))
  if (client?.authentication !== 'privateKeyJwt') throw refused('unknown client or wrong method')
  const nowMs = deps.clock.nowMs()
  try {
    const payload = await payloadOf(deps, client, assertion, nowMs)
    const untilMs = (payload.exp ?? 0) * 1000
    if (untilMs > nowMs + 2 * assertionAgeSecondsMax * 1000) throw refused('it lives too long')
    const { value } = await deps.store.replaySeen(`client:${client.clientId}`, payload.jti ?? '', untilMs, nowMs)
    if (value === 'seen') throw refused('used before')
  } catch (cause) {
    throw refused('the assertion does not hold', cause)
  }
  return client
}

function claimedIssuer(assertion: string): string {
  try {
    return decodeJwt(assertion).iss ?? ''
  } catch {
    throw refused('malformed')
  }
}

/** By a key of the client; one that is not in its set, or has the name of a former one, may be there by now. */
async function payloadOf(deps: AuthorityContext, client: OidcClient, assertion: string, nowMs: number): Promise<JWTPayload> {
  const verify = async (again: boolean): Promise<JWTPayload> => {
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(await deps.clientKeys.of(client, again)), {
      algorithms: assertionAlgorithms,
      issuer: client.clientId,
      subject: client.clientId,
      audience: [deps.baseUrl, ...(['token', 'introspection', 'revocation', 'logout'] as const).map((path) => deps.baseUrl + oidcPaths[path])],
      requiredClaims: ['exp', 'jti'],
      currentDate: new Date(nowMs)
    })
    return payload
  }
  try {
    return await verify(false)
  } catch (error) {
    const isByAnother = error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed
    if (!isByAnother || client.jwksUri === undefined) throw error
    return verify(true)
  }
}

function refused(why: string, cause?: unknown): CurfewError {
  return new CurfewError('CURFEW_OIDC_CLIENT_AUTHENTICATION', { why }, cause === undefined ? {} : { cause })
}
