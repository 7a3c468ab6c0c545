import { CurfewError, type ErrorContext } from '@curfew/codecs'
import { catalogue, type ProductCode } from '../errors/catalogue.ts'

export type StoreCode = Extract<ProductCode, `CURFEW_STORE_${string}`>

/** An error of a store, with the sentence of the catalogue as its message. */
export function storeError(code: StoreCode, context: ErrorContext = {}, cause?: unknown): CurfewError<StoreCode> {
  const message = catalogue[code].title
  return new CurfewError(code, context, cause === undefined ? { message } : { message, cause })
}
