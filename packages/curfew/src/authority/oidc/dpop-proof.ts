import { CurfewError } from '@curfew/codecs'
import type { FastifyRequest } from 'fastify'
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose'
import type { AuthorityContext } from '../context.ts'

/** What a proof has to be for. */
export interface ExpectedProof {
  /** Thumbprint of the key that the token is bound to (RFC 7638). */
  readonly jkt: string
  readonly method: string
  readonly url: string
}

/** A proof is good for so long, in seconds, before and after the time that it names. */
const proofAgeSecondsMax = 60
const proofAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA']

/**
 * Checks the `DPoP` header of a request to one of our own endpoints: signed by the bound key, for this request, just
 * now, once.
 * @throws CURFEW_OIDC_CLIENT_AUTHENTICATION (401)
 * @see RFC 9449 section 4.3
 */
export async function requireDpopProof(ctx: Pick<AuthorityContext, 'store' | 'clock'>, request: FastifyRequest, expected: ExpectedProof): Promise<void> {
  const proof = request.headers['dpop']
  if (typeof proof !== 'string') throw refused('no DPoP proof')
  const nowMs = ctx.clock.nowMs()
  const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
    typ: 'dpop+jwt',
    algorithms: proofAlgorithms,
    requiredClaims: ['jti', 'iat', 'htm', 'htu'],
    currentDate: new Date(nowMs)
  }).catch((cause: unknown) => {
    throw refused('the DPoP proof does not hold', cause)
  })
  const { jti, iat = 0, htm, htu } = payload
  if (protectedHeader.jwk === undefined || (await calculateJwkThumbprint(protectedHeader.jwk)) !== expected.jkt) {
    throw refused('the DPoP proof is of another key')
  }
  if (htm !== expected.method || htu !== expected.url) throw refused('the DPoP proof is for another request')
  if (Math.abs(nowMs / 1000 - iat) > proofAgeSecondsMax) throw refused('the DPoP proof is not of now')
  const untilMs = (iat + proofAgeSecondsMax + 1) * 1000
  const { value } = await ctx.store.replaySeen(`dpop:${expected.jkt}`, jti ?? '', untilMs, nowMs)
  if (value === 'seen') throw refused('the DPoP proof was used before')
}

function refused(why: string, cause?: unknown): CurfewError {
  return new CurfewError('CURFEW_OIDC_CLIENT_AUTHENTICATION', { why }, cause === undefined ? {} : { cause })
}
