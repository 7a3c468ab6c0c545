import type { CurfewError } from '@curfew/codecs'
import { storeError } from '../store-error.ts'
import { whyOf } from './refusal.ts'

/** What a server means that takes no write any more, because its memory or its disk is full; undefined where it says something else. */
export function fullServerError(error: unknown): CurfewError | undefined {
  if (!(error instanceof Error)) return undefined
  const [word = ''] = error.message.split(' ')
  switch (word) {
    case 'OOM':
      return storeError('CURFEW_STORE_MEMORY_FULL', {}, error)
    // It could not write its log, or its last snapshot, and refuses whatever it would have to keep.
    case 'MISCONF':
      return storeError('CURFEW_STORE_DISK_FULL', { why: whyOf(error) }, error)
  }
  return undefined
}
