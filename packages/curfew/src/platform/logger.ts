import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'

export type Logger = PinoLogger

/** Fields that never reach a log, wherever they stand. */
const secret = ['password', 'cookie', 'authorization', 'token', 'assertion', 'SAMLResponse', 'SAMLRequest', 'set-cookie']

/** JSON lines with stable event names in `event` and codes in `code`. Secrets are replaced before they are written. */
export function createLogger(options: { readonly level: string; readonly name?: string }, destination?: DestinationStream): Logger {
  const settings = {
    level: options.level,
    base: options.name === undefined ? null : { name: options.name },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: secret.flatMap((field) => [`["${field}"]`, `*["${field}"]`]), censor: '[redacted]' }
  }
  return destination === undefined ? pino(settings) : pino(settings, destination)
}

/** Says nothing: for tests and the simulation. */
export const silentLogger: Logger = pino({ level: 'silent' })
