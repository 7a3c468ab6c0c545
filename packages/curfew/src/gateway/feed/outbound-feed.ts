import type { FeedReaderDeps } from '@curfew/codecs'
import type { Outbound } from '../../platform/outbound.ts'
import type { Credentials } from '../sign-in/provider.ts'

/** For the beginning of an answer; the reader, which watches its silence, gives up on it before. */
const timeoutMs = 10_000

/** The way of a gateway to the feed: by the one outbound door, with the credentials of its client. */
export function outboundFeed(deps: {
  readonly outbound: Pick<Outbound, 'open'>
  /** Address of the feed at the authority. */
  url(): Promise<string>
  /** Client authentication for one request. */
  credentials(): Promise<Credentials>
}): FeedReaderDeps['open'] {
  return async (question) => {
    const { headers, query } = await deps.credentials()
    const url = new URL(await deps.url())
    for (const [name, value] of Object.entries({ ...question.query, ...query })) url.searchParams.set(name, value)
    const { signal } = question
    return deps.outbound.open({ peerId: 'revocation-feed', url: url.href, method: 'GET', timeoutMs, headers: { ...headers, ...question.headers }, signal })
  }
}
