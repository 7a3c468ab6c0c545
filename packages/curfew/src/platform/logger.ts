import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'

export type Logger = PinoLogger

/**
 * How names of fields end that never reach a log, wherever they stand, and however they are written: letters and digits count
 * alone, so that this is `access_token`, `refreshToken`, `Set-Cookie` and `proxy-authorization`, too.
 */
const secretEndings = /(?:password|passphrase|passwd|secret|token|cookie|authorization|assertion|samlrequest|samlresponse|privatekey|apikey|codeverifier)s?$/
const redacted = '[redacted]'
/** Deeper objects than that are left out: nothing that is logged on purpose has them. */
const depthMax = 8
/** Values in one line; what comes after them is left out. */
export const valuesMax = 10_000

/** Characters of one text in a line; what comes after them is left out. */
export const textCharactersMax = 8_192

/** JSON lines with stable event names in `event` and codes in `code`. Secrets are replaced before they are written. */
export function createLogger(options: { readonly level: string; readonly name?: string }, destination?: DestinationStream): Logger {
  const settings = {
    level: options.level,
    base: options.name === undefined ? null : { name: options.name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { log: withoutSecrets },
    // Errors are turned into plain values by `withoutSecrets`, with what they carry.
    serializers: { err: (value: unknown) => value }
  }
  const logger: Logger = destination === undefined ? pino(settings) : pino(settings, destination)
  const child = Reflect.get(logger, 'child') as Logger['child']
  // What a child logger is made with passes through no formatter. Children have this from their parent.
  logger.child = function (this: Logger, ...[bindings, options]: Parameters<Logger['child']>) {
    return child.call(this, withoutSecrets(bindings), options)
  } as Logger['child']
  return logger
}

/** True for a field whose value no log may have. */
function isSecret(name: string): boolean {
  return secretEndings.test(name.toLowerCase().replaceAll(/[^a-z0-9]/g, ''))
}

/** Where the cleaning of one line is. */
interface Walk {
  /** Objects that the one that is looked at lies in. */
  readonly around: WeakSet<object>
  valuesLeft: number
}

function withoutSecrets(fields: object): Record<string, unknown> {
  return cleanedFields(fields, 0, { around: new WeakSet([fields]), valuesLeft: valuesMax })
}

/** The same value without secrets, at any depth. Errors keep their type, message, stack and further fields. */
function cleaned(value: unknown, depth: number, walk: Walk): unknown {
  walk.valuesLeft -= 1
  if (typeof value === 'string' && value.length > textCharactersMax) return `${value.slice(0, textCharactersMax)}[${value.length - textCharactersMax} more]`
  if (typeof value !== 'object' || value === null) return value
  if (walk.around.has(value)) return '[circular]'
  if (depth > depthMax) return '[too deep]'
  walk.around.add(value)
  try {
    if (value instanceof Error) return cleanedFields(pino.stdSerializers.err(value), depth, walk)
    if (Array.isArray(value)) return cleanedList(value, depth, walk)
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
    if ('toJSON' in value && typeof value.toJSON === 'function') return cleaned((value.toJSON as () => unknown)(), depth + 1, walk)
    return cleanedFields(value, depth, walk)
  } finally {
    walk.around.delete(value)
  }
}

function cleanedList(list: readonly unknown[], depth: number, walk: Walk): readonly unknown[] {
  const result: unknown[] = []
  for (const one of list) {
    if (walk.valuesLeft <= 0) return [...result, `[${list.length - result.length} more]`]
    result.push(cleaned(one, depth + 1, walk))
  }
  return result
}

function cleanedFields(value: object, depth: number, walk: Walk): Record<string, unknown> {
  const result: [string, unknown][] = []
  const entries = Object.entries(value)
  for (const [name, one] of entries) {
    if (walk.valuesLeft <= 0) {
      result.push(['more', `[${entries.length - result.length} more]`])
      break
    }
    result.push([name, isSecret(name) ? redacted : cleaned(one, depth + 1, walk)])
  }
  return Object.fromEntries(result)
}

/** Says nothing: for tests and the simulation. */
export const silentLogger: Logger = pino({ level: 'silent' })
