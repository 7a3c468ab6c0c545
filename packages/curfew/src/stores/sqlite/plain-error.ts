import { CurfewError, isCurfewError } from '@curfew/codecs'
import { catalogue } from '../../errors/catalogue.ts'
import { storeError } from '../store-error.ts'
import type { PlainError } from './command.ts'

/** Takes an error apart for the way between threads; nothing of it is lost but the stack. */
export function toPlainError(error: unknown): PlainError {
  if (!isCurfewError(error)) return { code: 'CURFEW_STORE_FAILED', context: {}, cause: textOf(error) }
  return { code: error.code, context: error.context, cause: textOf(error.cause) }
}

/** Makes the error again on the side that asked. */
export function fromPlainError({ code, context, cause }: PlainError): Error {
  const known = Object.keys(catalogue).find((name): name is keyof typeof catalogue => name === code)
  if (known === undefined) return storeError('CURFEW_STORE_FAILED', context, new Error(cause))
  const options = { message: catalogue[known].title }
  return new CurfewError(known, context, cause === '' ? options : { ...options, cause: new Error(cause) })
}

function textOf(cause: unknown): string {
  if (cause === undefined) return ''
  return cause instanceof Error ? cause.message : (JSON.stringify(cause) ?? typeof cause)
}
