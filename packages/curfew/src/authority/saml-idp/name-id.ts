import { createHmac } from 'node:crypto'
import { CurfewError, type NameID, nameIdFormat } from '@curfew/codecs'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import type { SamlConnection } from '../saml/connection.ts'
import type { NameIdKind } from '../saml/settings.ts'

export type NameIdDeps = Pick<AuthorityContext, 'saml' | 'secrets'>

/** All formats this identity provider issues, by identifier. */
export const issuedFormats: Readonly<Record<NameIdKind, string>> = {
  persistent: nameIdFormat.persistent,
  transient: nameIdFormat.transient,
  emailAddress: nameIdFormat.emailAddress,
  unspecified: nameIdFormat.unspecified
}

/** The format to issue for a wish; undefined: the wish can't be met. No wish, and `unspecified`, leave it to the connection. */
export function chooseFormat(connection: SamlConnection, wish: string | undefined): NameIdKind | undefined {
  if (wish === undefined || wish === issuedFormats.unspecified) return connection.nameId.format
  return (Object.keys(issuedFormats) as NameIdKind[]).find((kind) => issuedFormats[kind] === wish)
}

/**
 * The identifier one partner knows the user by. Persistent: the same for ever, different at every partner. Transient:
 * the same within one session, so that repeated sign-ins stay one participant, and meaningless outside of it.
 * @throws CURFEW_SAML_NAMEID_ATTRIBUTE when the user has no value for the attribute that the connection names
 */
export function nameIdFor(deps: NameIdDeps, connection: SamlConnection, session: Session, format: NameIdKind): NameID {
  switch (format) {
    case 'persistent':
      return qualified(deps, connection, format, keyed(deps, `persistent\0${connection.entityId}\0${session.userKey}`).toString('base64url'))
    case 'transient':
      return qualified(deps, connection, format, `_${keyed(deps, `transient\0${connection.entityId}\0${session.id}`).toString('hex').slice(0, 40)}`)
    case 'emailAddress':
      return { format: issuedFormats[format], value: attributeValue(connection, session, connection.nameId.attribute ?? 'mail') }
    case 'unspecified': {
      const { attribute } = connection.nameId
      return { format: issuedFormats[format], value: attribute === undefined ? session.username : attributeValue(connection, session, attribute) }
    }
  }
}

function qualified(deps: NameIdDeps, connection: SamlConnection, format: NameIdKind, value: string): NameID {
  return { format: issuedFormats[format], nameQualifier: deps.saml.entityId, spNameQualifier: connection.entityId, value }
}

function keyed(deps: NameIdDeps, text: string): Buffer {
  return createHmac('sha256', deps.secrets.nameId).update(text).digest()
}

function attributeValue(connection: SamlConnection, session: Session, attribute: string): string {
  const value = session.attributes[attribute]?.[0]
  if (value === undefined || value === '') throw new CurfewError('CURFEW_SAML_NAMEID_ATTRIBUTE', { connection: connection.id, attribute })
  return value
}
