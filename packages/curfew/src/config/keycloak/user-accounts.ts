import { isPart, type Part, flag, inner, parts, text, texts } from './realm.ts'
import { createReport, type Report } from '../imports/report.ts'

/** One person for the users file. */
export interface ImportedUser {
  readonly username: string
  /** PHC string of Argon2id. */
  readonly password: string
  readonly attributes: Readonly<Record<string, string | readonly string[]>>
  readonly disabled?: boolean
  readonly mustChangePassword?: boolean
}

const namesShownMax = 20

/** Local users whose passwords can be checked here; of the others it is said why not. */
export function userAccounts(users: readonly Part[]): { readonly users: readonly ImportedUser[]; readonly report: Report } {
  const report = createReport('users')
  const found: ImportedUser[] = []
  const left = new Map<string, string[]>()
  for (const user of users) {
    const username = text(user, 'username') ?? ''
    const password = passwordOf(user)
    if (text(user, 'serviceAccountClientId') !== undefined || username === '') continue
    if (password.kind === 'argon2id') found.push(personOf(user, username, password.phc))
    else left.set(password.why, [...(left.get(password.why) ?? []), username])
  }
  if (found.length > 0)
    report.say(
      'imported',
      counted(found.length),
      'their passwords are Argon2id hashes: --users writes them into a new users file, where they stay as they are',
      'signOn.users'
    )
  for (const [why, names] of left)
    report.say(why === federated ? 'not-needed' : 'unsupported', counted(names.length), `${why}: ${shown(names)}`, 'signOn.users')
  const second = users.filter((user) => credentialsOf(user).some((one) => text(one, 'type') !== 'password' && text(one, 'type') !== 'password-history'))
  if (second.length > 0)
    report.say(
      'unsupported',
      'second factors',
      `${counted(second.length)} with one (one-time codes, keys, recovery codes): here the password is all that is asked for`
    )
  const linked = users.filter((user) => parts(user, 'federatedIdentities').length > 0)
  if (linked.length > 0)
    report.say('unsupported', 'federatedIdentities', `${counted(linked.length)} with links to identity providers: accounts are linked anew (accountLinking)`)
  return { users: found, report }
}

function counted(n: number): string {
  return n === 1 ? '1 user' : `${n} users`
}

function shown(names: readonly string[]): string {
  const more = names.length > namesShownMax ? ` and ${names.length - namesShownMax} more` : ''
  return `${names.slice(0, namesShownMax).join(', ')}${more}`
}

const federated = 'they come out of the user federation'

type Password = { readonly kind: 'argon2id'; readonly phc: string } | { readonly kind: 'other'; readonly why: string }

function passwordOf(user: Part): Password {
  if (text(user, 'federationLink') !== undefined) return { kind: 'other', why: federated }
  const credential = credentialsOf(user).find((one) => text(one, 'type') === 'password')
  if (credential === undefined) return { kind: 'other', why: 'no password was exported: curfew users add <name>, or an identity provider' }
  const data = parsed(text(credential, 'credentialData'))
  const secret = parsed(text(credential, 'secretData'))
  const algorithm = text(data, 'algorithm') ?? 'an unknown algorithm'
  if (algorithm !== 'argon2') return { kind: 'other', why: `${algorithm.slice(0, 40)} is not checked here: curfew users add <name> --must-change` }
  const phc = phcOf(data, secret)
  return phc === undefined ? { kind: 'other', why: 'argon2 with parameters that are not checked here' } : { kind: 'argon2id', phc }
}

/** Argon2id of version 1.3 as a PHC string; other variants are not checked here. */
function phcOf(data: Part, secret: Part): string | undefined {
  const more = inner(data, 'additionalParameters')
  const first = (name: string): string | undefined => texts(more, name)[0]
  const [memory, parallelism] = [first('memory'), first('parallelism')]
  const passes = text(data, 'hashIterations')
  const salt = unpadded(text(secret, 'salt'))
  const hash = unpadded(text(secret, 'value'))
  const isKnown = first('type') === 'id' && (first('version') ?? '1.3') === '1.3'
  const isBounded = /^\d{1,7}$/.test(memory ?? '') && /^\d{1,2}$/.test(passes ?? '') && /^\d{1,2}$/.test(parallelism ?? '')
  if (!isKnown || !isBounded || salt === undefined || hash === undefined) return undefined
  return `$argon2id$v=19$m=${memory ?? ''},t=${passes ?? ''},p=${parallelism ?? ''}$${salt}$${hash}`
}

function unpadded(base64: string | undefined): string | undefined {
  const bare = base64?.replace(/=+$/, '')
  return bare !== undefined && /^[A-Za-z0-9+/]{16,}$/.test(bare) ? bare : undefined
}

function personOf(user: Part, username: string, password: string): ImportedUser {
  const own = Object.entries(inner(user, 'attributes')).flatMap(([name]) => {
    const values = texts(inner(user, 'attributes'), name)
    return values.length === 0 ? [] : [[name, values.length === 1 ? (values[0] ?? '') : values] as const]
  })
  const named = (
    [
      ['mail', text(user, 'email')],
      ['givenName', text(user, 'firstName')],
      ['sn', text(user, 'lastName')]
    ] as const
  ).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  return {
    username,
    password,
    attributes: Object.fromEntries([...own, ...named]),
    ...(flag(user, 'enabled') === false ? { disabled: true } : {}),
    ...(texts(user, 'requiredActions').includes('UPDATE_PASSWORD') ? { mustChangePassword: true } : {})
  }
}

function credentialsOf(user: Part): readonly Part[] {
  return parts(user, 'credentials')
}

/** What stands there as a text of JSON; nothing of it is repeated when it can not be read. */
function parsed(json: string | undefined): Part {
  try {
    const value: unknown = JSON.parse(json ?? '{}')
    return isPart(value) ? value : {}
  } catch {
    return {}
  }
}
