import type { Delivery } from '../core/run.ts'
import type { EngineDeps } from './deps.ts'
import type { Sender } from './sender.ts'

/**
 * The sender of a delivery's protocol. A peer that has gone from the configuration keeps the first sender, which gives
 * the delivery its outcome.
 */
export function senderOf({ senders, peer }: Pick<EngineDeps, 'senders' | 'peer'>, delivery: Delivery): Sender {
  const known = peer(delivery.peerId)
  const sender = senders.find(({ protocol, role }) => protocol === known?.protocol && (role ?? known.role) === known.role) ?? senders[0]
  if (sender === undefined) throw new TypeError('the engine has no sender')
  return sender
}
