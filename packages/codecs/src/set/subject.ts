import { CurfewError } from '../errors.ts'

/** One thing that an event is about (RFC 9493 section 3). */
export type SimpleSubject =
  | { readonly format: 'email'; readonly email: string }
  | { readonly format: 'iss_sub'; readonly iss: string; readonly sub: string }
  | { readonly format: 'opaque'; readonly id: string }

/** Members of a complex subject that can be looked up. Any other member makes the subject unusable. */
export const complexMembers = ['user', 'session'] as const

/** Several members that must all match (SSF 1.0 section 3.2). */
export interface ComplexSubject {
  readonly format: 'complex'
  readonly user?: SimpleSubject
  readonly session?: SimpleSubject
}

export type SubjectIdentifier = SimpleSubject | ComplexSubject

const textCharactersMax = 1_024

/**
 * Reads a subject identifier. Unknown formats and unknown members are refused: an event must not reach more sessions
 * than its sender meant.
 * @throws CURFEW_SET_SUBJECT
 */
export function parseSubject(value: unknown): SubjectIdentifier {
  const fields = fieldsOf(value)
  if (fields['format'] !== 'complex') return parseSimple(fields)
  const names = Object.keys(fields).filter((name) => name !== 'format')
  const unknown = names.find((name) => !(complexMembers as readonly string[]).includes(name))
  if (unknown !== undefined) throw refused(`member ${unknown.slice(0, 40)}`)
  if (names.length === 0) throw refused('no member')
  const { user, session } = fields
  return {
    format: 'complex',
    ...(user === undefined ? {} : { user: parseSimple(fieldsOf(user)) }),
    ...(session === undefined ? {} : { session: parseSimple(fieldsOf(session)) })
  }
}

function parseSimple(fields: Readonly<Record<string, unknown>>): SimpleSubject {
  const text = (name: string): string => {
    const value = fields[name]
    if (typeof value !== 'string' || value === '' || value.length > textCharactersMax) throw refused(name)
    return value
  }
  switch (fields['format']) {
    case 'email':
      return { format: 'email', email: text('email') }
    case 'iss_sub':
      return { format: 'iss_sub', iss: text('iss'), sub: text('sub') }
    case 'opaque':
      return { format: 'opaque', id: text('id') }
    default:
      throw refused('format')
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('shape')
  return value as Readonly<Record<string, unknown>>
}

function refused(what: string): CurfewError {
  return new CurfewError('CURFEW_SET_SUBJECT', { what })
}
