import type { AttackClass } from '../attack.ts'
import { addressAttacks } from './addresses.ts'
import { gatewayAttacks } from './gateway.ts'
import { openIdAttacks } from './openid.ts'
import { samlAttacks } from './saml.ts'
import { sessionAttacks } from './sessions.ts'
import { signatureAttacks } from './signature.ts'
import { xmlAttacks } from './xml.ts'

/** Every class of attack, in the order of the index. */
export const attackClasses: readonly AttackClass[] = [
  ...signatureAttacks,
  ...xmlAttacks,
  ...samlAttacks,
  ...sessionAttacks,
  ...openIdAttacks,
  ...addressAttacks,
  ...gatewayAttacks
]
