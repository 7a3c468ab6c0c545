import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { stringify } from 'yaml'
import { createSelfSigned, type RsaBits } from '../../platform/certificate.ts'
import { systemClock } from '../../platform/clock.ts'
import { hashPassword } from '../../platform/password.ts'
import { systemRandom } from '../../platform/random.ts'
import type { CommandContext } from '../context.ts'
import { isLoopback } from '../../core/loopback.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'

export interface InitOptions {
  readonly directory?: string
  readonly baseUrl?: string
  readonly organisation?: string
  readonly user?: string
  readonly userPassword?: string
}

interface Answers {
  readonly baseUrl: string
  readonly organisation: string
  readonly user?: string
  readonly password?: string
  /** The password is good until the first sign-in. */
  readonly mustChange?: boolean
  readonly keyBits?: RsaBits
}

/** Files that hold something nobody could bring back; one that exists is never written over. */
const writtenFiles = ['curfew.yaml', 'keys/saml.key.pem', 'keys/saml.crt.pem', 'keys/session.secret', 'data/admin.token', 'users.yaml']

/** Certificates of metadata only carry keys; ten years saves a roll-over that proves nothing. */
const certificateDays = 3_650

/** `curfew init`: configuration, keys, token and users file in one folder. Nothing that exists is overwritten. */
export async function init(context: CommandContext, options: InitOptions): Promise<ExitCode> {
  const { terminal } = context
  const folder = resolve(options.directory ?? '.')
  const present = writtenFiles.filter((path) => existsSync(join(folder, path)))
  if (present.length > 0) {
    terminal.error(`${present.join(', ')} ${present.length === 1 ? 'is' : 'are'} in ${folder} already; nothing was changed.`)
    terminal.error('Choose another folder with --directory.')
    return exitCode.failed
  }
  const problem = refusal(options)
  if (problem !== undefined) {
    terminal.error(`${problem} Nothing was made.`)
    return exitCode.usage
  }
  const answers = await ask(context, options)
  if (answers === undefined) return exitCode.needsInput
  const written = await writeInstallation(folder, answers)
  terminal.out(`Made in ${folder}:`)
  for (const [file, what] of written) terminal.out(`  ${relative(folder, file).padEnd(22)} ${what}`)
  if (answers.mustChange === true)
    terminal.out(`\nPassword of ${answers.user ?? ''}: ${answers.password ?? ''}   shown this once; another one has to be chosen at the first sign-in`)
  terminal.note('')
  terminal.note('Next:  curfew users add <name>     then add connections to curfew.yaml')
  terminal.note('       curfew validate             curfew doctor             curfew start')
  return exitCode.done
}

/** What is wrong with the options, before anything is made. */
function refusal({ baseUrl, user, userPassword }: InitOptions): string | undefined {
  if (userPassword === '') return '--user-password is empty: leave it out, and a password is made.'
  if (userPassword !== undefined && user === undefined) return '--user-password needs --user.'
  return baseUrl === undefined ? undefined : addressProblem(baseUrl)
}

/** Why an address can not be the one of an authority. */
function addressProblem(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return `"${text}" is no address of a web server: write one such as https://login.example.com`
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    return `${url.origin} would send passwords and cookies readable: write https://${url.host}; http is for this machine only.`
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') return `Write the origin alone: ${url.origin}`
  return undefined
}

async function ask({ terminal }: CommandContext, options: InitOptions): Promise<Answers | undefined> {
  const given = options.user === undefined ? {} : { user: options.user, ...passwordOf(options.userPassword) }
  if (options.baseUrl !== undefined) return { baseUrl: new URL(options.baseUrl).origin, organisation: options.organisation ?? 'My organisation', ...given }
  if (!terminal.isInteractive) {
    terminal.error('Say where the authority will be reached: curfew init --base-url https://login.example.com')
    return undefined
  }
  return askPerson()
}

/** The password that was given, or one that is good for the first sign-in. */
function passwordOf(given: string | undefined): Pick<Answers, 'password' | 'mustChange'> {
  return given === undefined ? { password: Buffer.from(systemRandom.bytes(12)).toString('base64url'), mustChange: true } : { password: given }
}

/** Four questions. Undefined: the person stopped. */
async function askPerson(): Promise<Answers | undefined> {
  const { isCancel, password, text } = await import('@clack/prompts')
  const organisation = await text({
    message: 'Name of your organisation, as people see it',
    defaultValue: 'My organisation',
    placeholder: 'My organisation'
  })
  if (isCancel(organisation)) return undefined
  const baseUrl = await text({
    message: 'Address of the authority, as browsers see it',
    placeholder: 'https://login.example.com',
    validate: (value) => addressProblem(value ?? '')
  })
  if (isCancel(baseUrl)) return undefined
  const user = await text({ message: 'First user (empty: none)', defaultValue: '' })
  if (isCancel(user)) return undefined
  const origin = new URL(baseUrl).origin
  if (user === '') return { organisation, baseUrl: origin }
  const secret = await password({ message: `Password of ${user} (empty: one is made)` })
  return isCancel(secret) ? undefined : { organisation, baseUrl: origin, user, ...passwordOf((secret ?? '') === '' ? undefined : secret) }
}

type Written = readonly (readonly [string, string])[]

/** Writes a whole installation; the demo uses it too. */
export async function writeInstallation(folder: string, answers: Answers, more: { readonly config?: object } = {}): Promise<Written> {
  const at = (path: string): string => join(folder, path)
  for (const path of ['keys', 'data', 'peers']) mkdirSync(at(path), { recursive: true, mode: 0o700 })
  const validity = { fromMs: systemClock.nowMs(), days: certificateDays }
  const [pair, user] = await Promise.all([
    createSelfSigned(new URL(answers.baseUrl).hostname, validity, systemRandom, answers.keyBits),
    answers.user === undefined ? undefined : userEntry(answers.user, answers)
  ])
  const config = {
    server: { baseUrl: answers.baseUrl },
    saml: { keys: [{ key: 'keys/saml.key.pem', certificate: 'keys/saml.crt.pem' }] },
    sessions: { secretFile: 'keys/session.secret' },
    signOn: { users: 'users.yaml' },
    brand: { organisation: answers.organisation },
    connections: [],
    ...more.config
  }
  const files: readonly (readonly [string, string, string])[] = [
    ['keys/saml.key.pem', pair.keyPem, 'signs assertions and logout messages; keep it secret'],
    ['keys/saml.crt.pem', pair.certificatePem, 'its certificate, published in the metadata'],
    ['keys/session.secret', `${Buffer.from(systemRandom.bytes(48)).toString('base64')}\n`, 'cookies and identifiers derive from it; keep it secret'],
    ['data/admin.token', `${Buffer.from(systemRandom.bytes(32)).toString('base64url')}\n`, 'token of the admin API'],
    [
      'users.yaml',
      `# Local users. Change them with: curfew users add|password|remove\n${stringify({ users: user === undefined ? [] : [user] })}`,
      'local users'
    ],
    ['.gitignore', 'keys/\ndata/\n', 'keeps secrets out of version control'],
    ['curfew.yaml', `# yaml-language-server: $schema=./config.schema.json\n${stringify(config)}`, 'the configuration']
  ]
  for (const [path, content] of files) {
    if (path === '.gitignore') ignoreSecrets(at(path), content)
    else writeFileSync(at(path), content, { mode: 0o600, flag: 'wx' })
  }
  const { configJsonSchema } = await import('../../config/schema.ts')
  writeFileSync(at('config.schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
  return files.map(([path, , what]) => [at(path), what] as const)
}

/** Adds what must not be committed to a `.gitignore` that may be there already. */
function ignoreSecrets(file: string, lines: string): void {
  const known = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const missing = lines.split('\n').filter((line) => line !== '' && !known.split('\n').includes(line))
  if (missing.length > 0) writeFileSync(file, `${known}${known === '' || known.endsWith('\n') ? '' : '\n'}${missing.join('\n')}\n`)
}

/** @throws TypeError for a user without a password: anybody could sign in */
async function userEntry(username: string, { password = '', mustChange }: Pick<Answers, 'password' | 'mustChange'>): Promise<object> {
  if (password === '') throw new TypeError(`${username} has no password`)
  return {
    username,
    password: await hashPassword(password, systemRandom),
    attributes: { mail: `${username}@example.com`, name: username },
    ...(mustChange === true ? { mustChangePassword: true } : {})
  }
}
