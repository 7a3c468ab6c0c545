/**
 * Resolves at the first SIGINT or SIGTERM; a second SIGINT ends the process at once. A hang-up stops, too, unless
 * somebody wants to hear of it: a service manager sends it to have files read again.
 */
export function untilStopped(onHangUp?: () => void): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      process.once('SIGINT', () => process.exit(1))
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
    if (onHangUp === undefined) process.once('SIGHUP', stop)
    else process.on('SIGHUP', onHangUp)
  })
}
