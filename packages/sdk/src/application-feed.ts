import type { FeedAnswer, FeedClock, FeedReaderDeps } from '@curfew/codecs'

/** One GET whose answer is read while it comes. The `fetch` of Node fits. */
export type StreamFetch = (
  url: string,
  init: { readonly headers: Readonly<Record<string, string>>; readonly redirect: 'error'; readonly signal: AbortSignal }
) => Promise<{
  readonly status: number
  readonly headers: Iterable<readonly [string, string]>
  readonly body: AsyncIterable<Uint8Array> | null
}>

/** The answer has to begin within this time; its silence is watched by the reader. */
const beginMsMax = 10_000

/** The way of an application to the feed: with the credentials of an OpenID client that may read it. */
export function applicationFeed(deps: {
  readonly fetch: StreamFetch
  readonly clock: FeedClock
  readonly clientId: string
  readonly clientSecret: string
  /** Address of the feed at the authority. */
  url(): Promise<string>
}): FeedReaderDeps['open'] {
  const authorization = `Basic ${Buffer.from(`${encodeURIComponent(deps.clientId)}:${encodeURIComponent(deps.clientSecret)}`).toString('base64')}`
  return async ({ query, headers, signal }) => {
    const url = new URL(await deps.url())
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const exchange = new AbortController()
    const timer = deps.clock.after(beginMsMax, () => exchange.abort())
    try {
      const answer = await deps.fetch(url.href, {
        redirect: 'error',
        headers: { ...headers, authorization },
        signal: AbortSignal.any([signal, exchange.signal])
      })
      return feedAnswer(answer, exchange)
    } finally {
      timer.cancel()
    }
  }
}

function feedAnswer({ status, headers, body }: Awaited<ReturnType<StreamFetch>>, exchange: AbortController): FeedAnswer {
  const byName = Object.fromEntries([...headers].map(([name, value]) => [name.toLowerCase(), value]))
  return { status, headers: byName, body: body ?? nothing(), close: () => exchange.abort() }
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // An answer without a body ends at once.
}
