import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { stringify } from 'yaml'
import { createSelfSigned } from '../../platform/certificate.ts'
import { hashPassword } from '../../platform/password.ts'
import { systemRandom } from '../../platform/random.ts'
import type { CommandContext } from '../context.ts'
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
}

/** Certificates of metadata only carry keys; ten years saves a roll-over that proves nothing. */
const certificateDays = 3_650

/** `curfew init`: configuration, keys, token and users file in one folder. Nothing that exists is overwritten. */
export async function init(context: CommandContext, options: InitOptions): Promise<ExitCode> {
  const { terminal } = context
  const folder = resolve(options.directory ?? '.')
  if (existsSync(join(folder, 'curfew.yaml'))) {
    terminal.note(`${join(folder, 'curfew.yaml')} is there already; nothing was changed.`)
    return exitCode.failed
  }
  const answers = await ask(context, options)
  if (answers === undefined) return exitCode.needsInput
  const written = await writeInstallation(folder, answers)
  terminal.out(`Made in ${folder}:`)
  for (const [file, what] of written) terminal.out(`  ${relative(folder, file).padEnd(22)} ${what}`)
  terminal.note('')
  terminal.note('Next:  curfew users add <name>     then add connections to curfew.yaml')
  terminal.note('       curfew validate             curfew doctor             curfew start')
  return exitCode.done
}

async function ask({ terminal }: CommandContext, options: InitOptions): Promise<Answers | undefined> {
  const given = {
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.userPassword === undefined ? {} : { password: options.userPassword })
  }
  if (options.baseUrl !== undefined) return { baseUrl: options.baseUrl, organisation: options.organisation ?? 'My organisation', ...given }
  if (!terminal.isInteractive) {
    terminal.note('Say where the authority will be reached: curfew init --base-url https://login.example.com')
    return undefined
  }
  const { group, text, password } = await import('@clack/prompts')
  const answers = await group({
    organisation: () => text({ message: 'Name of your organisation, as people see it', defaultValue: 'My organisation', placeholder: 'My organisation' }),
    baseUrl: () =>
      text({
        message: 'Address of the authority, as browsers see it',
        placeholder: 'https://login.example.com',
        validate: (value) => (URL.canParse(value ?? '') ? undefined : 'Write an address such as https://login.example.com')
      }),
    user: () => text({ message: 'First user (empty: none)', defaultValue: '' }),
    password: ({ results }) => (results.user === undefined || results.user === '' ? Promise.resolve('') : password({ message: `Password of ${results.user}` }))
  })
  const user = answers.user === '' ? {} : { user: answers.user, password: String(answers.password) }
  return { organisation: answers.organisation, baseUrl: answers.baseUrl, ...user }
}

type Written = readonly (readonly [string, string])[]

/** Writes a whole installation; the demo uses it too. */
export async function writeInstallation(folder: string, answers: Answers, more: { readonly config?: object } = {}): Promise<Written> {
  const at = (path: string): string => join(folder, path)
  for (const path of ['keys', 'data', 'peers']) mkdirSync(at(path), { recursive: true, mode: 0o700 })
  const pair = await createSelfSigned(new URL(answers.baseUrl).hostname, { fromMs: Date.now(), days: certificateDays }, systemRandom)
  const users = answers.user === undefined ? [] : [await userEntry(answers.user, answers.password ?? '')]
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
    ['users.yaml', `# Local users. Change them with: curfew users add|password|remove\n${stringify({ users })}`, 'local users'],
    ['.gitignore', 'keys/\ndata/\n', 'keeps secrets out of version control'],
    ['curfew.yaml', `# yaml-language-server: $schema=./config.schema.json\n${stringify(config)}`, 'the configuration']
  ]
  for (const [path, content] of files) {
    mkdirSync(dirname(at(path)), { recursive: true })
    writeFileSync(at(path), content, { mode: 0o600, flag: 'wx' })
  }
  const { configJsonSchema } = await import('../../config/schema.ts')
  writeFileSync(at('config.schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
  return files.map(([path, , what]) => [at(path), what] as const)
}

async function userEntry(username: string, password: string): Promise<object> {
  return { username, password: await hashPassword(password, systemRandom), attributes: { mail: `${username}@example.com`, name: username } }
}
