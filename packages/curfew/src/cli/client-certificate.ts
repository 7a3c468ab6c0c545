import type { ClientCertificate } from '../platform/outbound.ts'
import type { Logger } from '../platform/logger.ts'
import { readTlsPair, type TlsPair } from './tls-files.ts'

/** The files are looked at no sooner than this after the last time, in milliseconds. */
const lookMs = 1_000

/**
 * The certificate of a client in PEM files, as they are when a connection is made.
 * @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY when they can not be used at first; later that is logged, and those from before go on
 */
export function openClientCertificate(
  files: { readonly key: string; readonly certificate: string },
  { logger, steadyMs }: { readonly logger: Logger; readonly steadyMs: () => number }
): ClientCertificate {
  let known = readTlsPair(files)
  let lookedAtMs = steadyMs()
  let isFailing = false
  const look = (): void => {
    try {
      const next = readTlsPair(files)
      isFailing = false
      if (isSame(next, known)) return
      known = next
      logger.info({ event: 'gateway.certificate-reloaded' }, 'The certificate of the gateway as a client was read again')
    } catch (error) {
      if (!isFailing)
        logger.error(
          { event: 'gateway.certificate-failed', err: error },
          'The new certificate of the gateway as a client can not be used; the one from before goes on'
        )
      isFailing = true
    }
  }
  return {
    current() {
      const nowMs = steadyMs()
      if (nowMs - lookedAtMs >= lookMs) {
        lookedAtMs = nowMs
        look()
      }
      return known
    }
  }
}

function isSame(one: TlsPair, other: TlsPair): boolean {
  return one.key === other.key && one.certificate === other.certificate
}
