import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'

export type Logger = PinoLogger

/** Fields that never reach a log, wherever they stand and however their letters are written. */
const secretNames = ['password', 'cookie', 'set-cookie', 'authorization', 'token', 'assertion', 'SAMLResponse', 'SAMLRequest']
const secret: ReadonlySet<string> = new Set(secretNames.map((field) => field.toLowerCase()))
const redacted = '[redacted]'
/** Deeper objects than that are left out: nothing that is logged on purpose has them. */
const depthMax = 8

/** JSON lines with stable event names in `event` and codes in `code`. Secrets are replaced before they are written. */
export function createLogger(options: { readonly level: string; readonly name?: string }, destination?: DestinationStream): Logger {
  const settings = {
    level: options.level,
    base: options.name === undefined ? null : { name: options.name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { log: withoutSecrets },
    // What a child logger is made with does not pass through the formatter.
    redact: { paths: secretNames.flatMap((field) => [`["${field}"]`, `*["${field}"]`]), censor: redacted },
    // Errors are turned into plain values by `withoutSecrets`, with what they carry.
    serializers: { err: (value: unknown) => value }
  }
  return destination === undefined ? pino(settings) : pino(settings, destination)
}

function withoutSecrets(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, secret.has(name.toLowerCase()) ? redacted : cleaned(value, 1)]))
}

/** The same value without secrets, at any depth. Errors keep their type, message, stack and further fields. */
function cleaned(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > depthMax) return '[too deep]'
  if (value instanceof Error) return cleanedFields(pino.stdSerializers.err(value), depth)
  if (Array.isArray(value)) return value.map((one) => cleaned(one, depth + 1))
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if ('toJSON' in value && typeof value.toJSON === 'function') return cleaned((value.toJSON as () => unknown)(), depth + 1)
  return cleanedFields(value, depth)
}

function cleanedFields(value: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, secret.has(name.toLowerCase()) ? redacted : cleaned(one, depth + 1)]))
}

/** Says nothing: for tests and the simulation. */
export const silentLogger: Logger = pino({ level: 'silent' })
