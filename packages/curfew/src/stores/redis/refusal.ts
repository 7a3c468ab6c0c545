import { isTlsCode } from '../../platform/tls-code.ts'

/** Why a server that is there can not be used: starting it again would change nothing. */
export interface Refusal {
  /** `password`: it does not let this account in. `certificate`: one side does not take the certificate of the other. */
  readonly of: 'password' | 'certificate'
  /** See {@link whyOf}. */
  readonly why: string
}

/** The words with which servers keep somebody out. */
const refusing = /^(NOAUTH|WRONGPASS|NOPERM|DENIED)\b|^ERR AUTH\b/
const whyCharactersMax = 200

/** What an error says of a server that keeps this process out; undefined where it may only be away. */
export function refusalIn(error: unknown): Refusal | undefined {
  for (const cause of causesOf(error)) {
    if (refusing.test(cause.message)) return { of: 'password', why: whyOf(cause) }
    if (isTlsCode(codeOf(cause))) return { of: 'certificate', why: whyOf(cause) }
  }
  return undefined
}

/** What was at the bottom of an error, in the words of the server or of the system. */
export function whyOf(error: unknown): string {
  const last = causesOf(error).at(-1)
  if (last === undefined) return String(error).slice(0, whyCharactersMax)
  const code = codeOf(last)
  // What Node advises behind that is for those who start it themselves.
  const [message = ''] = last.message.split('; if the root CA')
  const text = message.includes(code) ? message : `${code} ${message}`
  return text.trim().replace(/\.$/, '').slice(0, whyCharactersMax)
}

/**
 * What several servers were of no use for together. Only where each of them keeps this process out is that what is wrong: of those
 * that are away one may come back that lets it in, or knows better who is who.
 * @param total - how many there are, with those that gave no error
 */
export function causeOfAll(errors: readonly unknown[], total: number): unknown {
  const [refused] = errors.filter((error) => refusalIn(error) !== undefined)
  if (refused === undefined) return errors.at(-1)
  const away = errors.findLast((error) => refusalIn(error) === undefined)
  if (away === undefined && errors.length >= total) return refused
  return new Error(`one keeps this node out: ${whyOf(refused)}${away === undefined ? '' : `; another one: ${whyOf(away)}`}`)
}

/** The error, what caused it, and so on. */
function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = []
  for (let at = error; at instanceof Error && !causes.includes(at); at = at.cause) causes.push(at)
  return causes
}

/** What the system calls it; empty where it has no name. */
function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : ''
}
