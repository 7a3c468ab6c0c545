import type { Sender, SendRequest, SendResult } from '../../src/engine/sender.ts'

/** What a peer does with the nth message it is sent, beginning with 1. */
export type Script = (request: SendRequest, nth: number, signal: AbortSignal) => SendResult | Promise<SendResult>

export interface ScriptedSender extends Sender {
  /** Every message that left, in order. */
  readonly sent: SendRequest[]
  /** Messages prepared for the browser. */
  readonly prepared: SendRequest[]
  /** Changes what a peer does from now on. */
  script(peerId: string, script: Script): void
}

/** A sender whose peers do what the test says; without a script they confirm. */
export function createScriptedSender(): ScriptedSender {
  const scripts = new Map<string, Script>()
  const sent: SendRequest[] = []
  const prepared: SendRequest[] = []
  let lastId = 0
  return {
    protocol: 'saml',
    sent,
    prepared,
    script: (peerId, script) => void scripts.set(peerId, script),
    newMessageId() {
      lastId += 1
      return `_message${lastId}`
    },
    async send(request, signal) {
      sent.push(request)
      const nth = sent.filter(({ delivery }) => delivery.id === request.delivery.id).length
      return (scripts.get(request.delivery.peerId) ?? confirms)(request, nth, signal)
    },
    async prepareBrowser(request) {
      prepared.push(request)
      return { method: 'redirect', url: `${request.channel.url}?SAMLRequest=${request.messageId}` }
    }
  }
}

export const confirms = (request: SendRequest): SendResult => ({
  kind: 'confirmed',
  result: 'ended',
  proof: { kind: 'signed-answer', messageId: `_answer-to${request.messageId}`, hash: 'ab'.repeat(32), signedBy: '3A:9F' }
})

export const isDown = (): SendResult => ({ kind: 'failed', why: 'unreachable', code: 'CURFEW_OUTBOUND_UNREACHABLE', retryable: true })

/** Never answers, and does not listen to the signal either. */
export const hangs = (): Promise<SendResult> => new Promise(() => {})
