/** What comes of a promise, or the reason of the signal where that is first: who waits is not kept by somebody who knows no signals. */
export function orAborted<T>(coming: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    coming.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
