import { CurfewError, type ErrorContext } from '@curfew/codecs'
import { catalogue, type ProductCode } from '../errors/catalogue.ts'

export type GroupCode = Extract<ProductCode, `CURFEW_GROUP_${string}`>

/** An error of the groups, with the sentence of the catalogue as its message. */
export function groupError(code: GroupCode, context: ErrorContext = {}, cause?: unknown): CurfewError<GroupCode> {
  const message = catalogue[code].title
  return new CurfewError(code, context, cause === undefined ? { message } : { message, cause })
}
