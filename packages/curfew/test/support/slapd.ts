import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Certified, makeCertificate } from './certificates.ts'
import { freeRange } from './ports.ts'

const program = '/usr/sbin/slapd'

/** Why tests with a real directory are left out; false: it is there. */
export const noSlapd: string | false = existsSync(program) ? false : 'no slapd on this machine: install slapd and ldap-utils'

export const suffix = 'dc=example,dc=org'
export const people = `ou=people,${suffix}`
/** Entries that answer a bind in words of other directories: with the code of their name. */
export const answers = `ou=answers,${suffix}`
const answerCodes: ReadonlyMap<string, number> = new Map([19, 32, 48, 49, 51, 53].map((code) => [`code ${code}`, code]))
/** Who looks people up, and may set passwords. */
export const reader = { dn: `cn=curfew,${suffix}`, password: 'reader secret' }
/** Whose changes no rule keeps back: an administrator with other tools. */
export const root = { dn: `cn=root,${suffix}`, password: 'root secret' }

/** A directory of OpenLDAP with three people, a process of its own on ports of its own. */
export interface Slapd extends AsyncDisposable {
  readonly plain: string
  readonly secure: string
  /** The authority that vouches for its certificate, as a file and as text. */
  readonly caFile: string
  readonly ca: string
  /** Adds or changes entries as the root of the directory. */
  change(ldif: string): void
  /** As an administrator does it with tools of the directory. */
  setPassword(dn: string, password: string): void
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startSlapd(): Promise<Slapd> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-slapd-'))
  await mkdir(join(folder, 'db'))
  const authority = await makeCertificate({ name: [{ CN: ['Directory authority'] }], isAuthority: true })
  const server = await makeCertificate({
    name: [{ CN: ['directory'] }],
    by: authority,
    alternative: [
      { type: 'ip', value: '127.0.0.1' },
      { type: 'dns', value: 'localhost' }
    ]
  })
  await writeFiles(folder, authority, server)
  const port = await freeRange(2)
  const plain = `ldap://127.0.0.1:${port}`
  const secure = `ldaps://127.0.0.1:${port + 1}`
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    child = spawn(program, ['-f', join(folder, 'slapd.conf'), '-h', `${plain}/ ${secure}/`, '-d', '0'], { stdio: 'ignore' })
    await untilListening(port)
    await untilListening(port + 1)
  }
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  const run = (command: string, args: readonly string[], input = ''): void => {
    const { status, stderr } = spawnSync(command, ['-x', '-H', plain, '-D', root.dn, '-w', root.password, ...args], { input, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${command}: ${stderr}`)
  }
  await start()
  const slapd: Slapd = {
    plain,
    secure,
    caFile: join(folder, 'ca.pem'),
    ca: authority.pem,
    change: (ldif) => run('ldapmodify', ['-a'], ldif),
    setPassword: (dn, password) => run('ldappasswd', ['-s', password, dn]),
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    }
  }
  slapd.change(entries)
  return slapd
}

async function writeFiles(folder: string, authority: Certified, server: Certified): Promise<void> {
  await writeFile(join(folder, 'ca.pem'), authority.pem)
  await writeFile(join(folder, 'server.pem'), server.pem)
  await writeFile(join(folder, 'server.key'), server.keyPem, { mode: 0o600 })
  await writeFile(
    join(folder, 'slapd.conf'),
    `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload retcode
pidfile ${folder}/pid
argsfile ${folder}/args
TLSCACertificateFile ${folder}/ca.pem
TLSCertificateFile ${folder}/server.pem
TLSCertificateKeyFile ${folder}/server.key
password-hash {SSHA}
database mdb
suffix "${suffix}"
rootdn "${root.dn}"
rootpw "${root.password}"
directory ${folder}/db
index uid,mail,objectClass eq
overlay ppolicy
ppolicy_default "cn=rules,${suffix}"
overlay retcode
retcode-parent "${answers}"
${[...answerCodes].map(([name, code]) => `retcode-item "cn=${name}" ${code} op=bind`).join('\n')}
access to attrs=userPassword by dn.exact="${reader.dn}" write by self =xw by anonymous auth by * none
access to * by dn.exact="${reader.dn}" read by self read by * none
`
  )
}

const entries = `dn: ${suffix}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ${people}
objectClass: organizationalUnit
ou: people

dn: cn=rules,${suffix}
objectClass: organizationalRole
objectClass: pwdPolicy
objectClass: pwdPolicyChecker
cn: rules
pwdAttribute: userPassword
pwdMinLength: 14
pwdCheckQuality: 2
pwdMustChange: FALSE

dn: ${reader.dn}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: curfew
userPassword: ${reader.password}

dn: uid=dora,${people}
objectClass: inetOrgPerson
uid: Dora
cn: Dora Example
sn: Example
mail: dora@example.org
departmentNumber: 7
departmentNumber: 12
userPassword: dora's long secret

dn: uid=jürgen,${people}
objectClass: inetOrgPerson
uid: jürgen
cn: Jürgen Example
sn: Example
userPassword: jürgen's long secret

dn: uid=star*(x)\\\\y,${people}
objectClass: inetOrgPerson
uid: star*(x)\\y
cn: Star
sn: Star
userPassword: star's long secret
`

async function untilListening(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const socket = createConnection(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await pause(50)
    } finally {
      socket.destroy()
    }
  }
  throw new Error(`nothing listens at ${port}`)
}
