import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { refused } from './client-metadata.ts'
import type { StatementIssuer } from './settings.ts'

const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']

/**
 * What somebody whom this server trusts says of the client; it wins over what the client says itself.
 * @throws CURFEW_OIDC_REGISTRATION_REFUSED for one of a stranger, and for one that does not hold
 * @see RFC 7591 section 2.3
 */
export async function readSoftwareStatement(statement: string, issuers: readonly StatementIssuer[], nowMs: number): Promise<Readonly<Record<string, unknown>>> {
  const claimed = claimedIssuer(statement)
  const issuer = issuers.find((one) => one.issuer === claimed)
  if (issuer === undefined) throw refused('unapproved_software_statement', 'nobody here trusts who signed the software statement')
  try {
    const { payload } = await jwtVerify(statement, createLocalJWKSet(issuer.jwks as unknown as JSONWebKeySet), {
      issuer: issuer.issuer,
      algorithms,
      currentDate: new Date(nowMs)
    })
    return payload
  } catch {
    throw refused('invalid_software_statement', 'the software statement does not hold')
  }
}

function claimedIssuer(statement: string): string | undefined {
  try {
    return decodeJwt(statement).iss
  } catch {
    throw refused('invalid_software_statement', 'the software statement can not be read')
  }
}
