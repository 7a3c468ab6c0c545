import type { DeliveryId } from '../core/ids.ts'
import type { RunEvent } from '../core/run.ts'
import type { SendResult } from './sender.ts'

/** What happened to a run when an exchange ended so. @param jitter - uniform in [0, 1) */
export function eventOf(result: SendResult, deliveryId: DeliveryId, messageId: string, atMs: number, jitter: number): RunEvent {
  const about = { deliveryId, messageId, atMs }
  switch (result.kind) {
    case 'confirmed':
      return { kind: 'confirmed', ...about, result: result.result, proof: result.proof }
    case 'refused':
      return { kind: 'refused', ...about, statusCode: result.statusCode, code: result.code }
    case 'unusable-answer':
      return { kind: 'unusable-answer', ...about, code: result.code }
    case 'failed':
      return { kind: 'failed', ...about, why: result.why, code: result.code, retryable: result.retryable, jitter }
  }
}
