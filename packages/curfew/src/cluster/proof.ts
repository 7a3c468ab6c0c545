import { createHash, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/** What the proof of a call covers. */
export interface CallHead {
  readonly method: 'POST'
  readonly path: string
  /** Id of the group that asks. */
  readonly from: string
  /** Id of the group that is asked: a call to one group is worth nothing at another. */
  readonly to: string
  readonly atMs: number
  /** By the same clock as `atMs`, which may be apart from that of whoever is asked. */
  readonly deadlineMs: number
  /** 22 characters, never used twice. */
  readonly nonce: string
}

/** What the proof of an answer covers: the one call that it answers, too. */
export interface AnswerHead {
  readonly from: string
  readonly to: string
  /** Of the call. */
  readonly nonce: string
  readonly status: number
}

/** Proves who made a call or an answer, with a key that only the groups of one authority have. */
export interface Prover {
  call(head: CallHead, body: Uint8Array): string
  answer(head: AnswerHead, body: Uint8Array): string
  isCall(head: CallHead, body: Uint8Array, proof: string): boolean
  isAnswer(head: AnswerHead, body: Uint8Array, proof: string): boolean
}

/** @param keys - newest first: the newest proves, all of them are accepted */
export function createProver(keys: readonly KeyObject[]): Prover {
  const [newest] = keys
  if (newest === undefined) throw new TypeError('a link needs at least one key')
  return {
    call: (head, body) => mac(newest, callText(head, body)).toString('base64url'),
    answer: (head, body) => mac(newest, answerText(head, body)).toString('base64url'),
    isCall: (head, body, proof) => isProved(keys, callText(head, body), proof),
    isAnswer: (head, body, proof) => isProved(keys, answerText(head, body), proof)
  }
}

/** No field can hold the character that separates them: ids and nonces are plain, paths have no line ends. */
function callText({ method, path, from, to, atMs, deadlineMs, nonce }: CallHead, body: Uint8Array): string {
  return ['curfew group call 1', method, path, from, to, atMs, deadlineMs, nonce, digest(body)].join('\n')
}

function answerText({ from, to, nonce, status }: AnswerHead, body: Uint8Array): string {
  return ['curfew group answer 1', from, to, nonce, status, digest(body)].join('\n')
}

function isProved(keys: readonly KeyObject[], text: string, proof: string): boolean {
  const given = Buffer.from(proof, 'base64url')
  return given.length === 32 && keys.map((key) => timingSafeEqual(mac(key, text), given)).includes(true)
}

function mac(key: KeyObject, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function digest(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64url')
}
