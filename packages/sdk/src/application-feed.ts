import type { FeedAnswer, FeedReaderDeps } from '@curfew/codecs'
import { orAborted } from './or-aborted.ts'

/** One GET whose answer is read while it comes. The `fetch` of Node fits. */
export type StreamFetch = (
  url: string,
  init: { readonly headers: Readonly<Record<string, string>>; readonly redirect: 'error'; readonly signal: AbortSignal }
) => Promise<{
  readonly status: number
  readonly headers: Iterable<readonly [string, string]>
  readonly body: AsyncIterable<Uint8Array> | null
}>

/** The way of an application to the feed: as an OpenID client that may read it. How long it may take is watched by the reader. */
export function applicationFeed(deps: {
  readonly fetch: StreamFetch
  /** What proves the client beside its certificate: headers, or parameters that say which client it is. */
  credentials(): { readonly headers: Readonly<Record<string, string>>; readonly query: Readonly<Record<string, string>> }
  /** Address of the feed at the authority. */
  url(): Promise<string>
}): FeedReaderDeps['open'] {
  return async (question) => {
    const exchange = new AbortController()
    const signal = AbortSignal.any([question.signal, exchange.signal])
    const url = new URL(await orAborted(deps.url(), signal))
    const { headers, query } = deps.credentials()
    for (const [name, value] of Object.entries({ ...question.query, ...query })) url.searchParams.set(name, value)
    return feedAnswer(await deps.fetch(url.href, { redirect: 'error', headers: { ...question.headers, ...headers }, signal }), exchange)
  }
}

function feedAnswer({ status, headers, body }: Awaited<ReturnType<StreamFetch>>, exchange: AbortController): FeedAnswer {
  const byName = Object.fromEntries([...headers].map(([name, value]) => [name.toLowerCase(), value]))
  return { status, headers: byName, body: body ?? nothing(), close: () => exchange.abort() }
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // An answer without a body ends at once.
}
