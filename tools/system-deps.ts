import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A program that tests need, the names it may have, and the Debian package that brings it. */
interface SystemProgram {
  readonly names: readonly string[]
  readonly package: string
  /** A file that shows the package is there, for what is no program. */
  readonly file?: string
  /** A command that must succeed, for what is a module of an interpreter. */
  readonly probe?: readonly string[]
}

const chromium: SystemProgram = { names: ['chromium-headless-shell', 'chromium', 'google-chrome'], package: 'chromium-headless-shell' }

/** A SimpleSAMLphp behind Apache. */
const simplesamlphp: readonly SystemProgram[] = [
  { names: ['php'], package: 'php-cli' },
  { names: [], package: 'libapache2-mod-php', probe: ['sh', '-c', 'ls /usr/lib/apache2/modules/libphp*.so'] },
  { names: [], package: 'php-xml', probe: ['php', '-r', 'exit(class_exists("DOMDocument") ? 0 : 1);'] },
  { names: [], package: 'php-sqlite3', probe: ['php', '-r', 'exit(extension_loaded("pdo_sqlite") ? 0 : 1);'] },
  { names: [], package: 'php-soap', probe: ['php', '-r', 'exit(extension_loaded("soap") ? 0 : 1);'] },
  { names: [], package: 'simplesamlphp', file: '/usr/share/simplesamlphp/www/index.php' }
]

/** What each kind of test wants. */
const sets: Readonly<Record<string, readonly SystemProgram[]>> = {
  test: [
    chromium,
    { names: ['redis-server', 'valkey-server'], package: 'redis-server' },
    { names: ['xmlsec1'], package: 'xmlsec1' },
    { names: ['xmllint'], package: 'libxml2-utils' },
    { names: ['nginx'], package: 'nginx-light' },
    { names: ['caddy'], package: 'caddy' },
    { names: ['tinyproxy'], package: 'tinyproxy-bin' },
    { names: ['slapd'], package: 'slapd' },
    { names: ['ldapadd'], package: 'ldap-utils' },
    { names: ['python3'], package: 'python3-lasso', probe: ['/usr/bin/python3', '-c', 'import lasso'] },
    { names: [], package: 'python3-pysaml2', probe: ['/usr/bin/python3', '-c', 'import saml2'] },
    { names: [], package: 'python3-cryptography', probe: ['/usr/bin/python3', '-c', 'import cryptography'] }
  ],
  faults: [
    { names: ['redis-server', 'valkey-server'], package: 'redis-server' },
    { names: ['ip'], package: 'iproute2' },
    { names: [], package: 'libfaketime', probe: ['sh', '-c', 'ls /usr/lib/*/faketime/libfaketime.so.1'] }
  ],
  interop: [
    chromium,
    { names: ['apache2'], package: 'apache2', file: '/usr/sbin/apache2' },
    { names: ['openssl'], package: 'openssl' },
    { names: [], package: 'libapache2-mod-auth-mellon', file: '/usr/lib/apache2/modules/mod_auth_mellon.so' },
    { names: [], package: 'libapache2-mod-auth-openidc', file: '/usr/lib/apache2/modules/mod_auth_openidc.so' },
    { names: ['nginx'], package: 'nginx-light' },
    ...simplesamlphp
  ],
  bench: [
    { names: ['wrk'], package: 'wrk' },
    { names: ['redis-server', 'valkey-server'], package: 'redis-server' },
    ...simplesamlphp,
    { names: ['nginx'], package: 'nginx-light' },
    { names: ['apache2'], package: 'apache2', file: '/usr/sbin/apache2' },
    { names: [], package: 'libapache2-mod-auth-openidc', file: '/usr/lib/apache2/modules/mod_auth_openidc.so' },
    { names: ['python3'], package: 'python3-lasso', probe: ['/usr/bin/python3', '-c', 'import lasso'] },
    { names: [], package: 'python3-cryptography', probe: ['/usr/bin/python3', '-c', 'import cryptography'] }
  ]
}

/** Full path of the first of these programs that is on this machine. */
export function findProgram(names: readonly string[]): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  for (const name of names) {
    for (const folder of folders) if (isExecutable(join(folder, name))) return join(folder, name)
  }
  return undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isThere(program: SystemProgram): boolean {
  if (program.probe !== undefined) return spawnSync(program.probe[0] ?? '', program.probe.slice(1), { stdio: 'ignore' }).status === 0
  if (program.file !== undefined) {
    try {
      accessSync(program.file, constants.R_OK)
      return true
    } catch {
      return false
    }
  }
  return findProgram(program.names) !== undefined
}

/** Installs what is missing where that is possible, says in one line what it did or what a person has to do. */
function ensure(set: string): void {
  const programs = sets[set]
  if (programs === undefined) throw new TypeError(`there is no set "${set}", only ${Object.keys(sets).join(', ')}`)
  const missing = programs.filter((program) => !isThere(program)).map((program) => program.package)
  if (missing.length === 0) return
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  const canInstall = process.getuid?.() === 0 && findProgram(['apt-get']) !== undefined && process.env['CURFEW_NO_APT'] !== '1'
  if (!canInstall) {
    console.log(`Not on this machine: ${missing.join(', ')}. Tests that need them are skipped. Install them with: sudo ${command}`)
    return
  }
  console.log(`Installing for tests: ${missing.join(', ')}`)
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // Another installation may be running; a machine without network must not wait for minutes.
  const patience = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::https::Timeout=20']
  spawnSync('apt-get', ['update', '-qq', ...patience], { stdio: 'ignore', env: environment })
  const result = withoutServices(() =>
    spawnSync('sh', ['-c', `${command} -qq ${patience.join(' ')}`], { stdio: ['ignore', 'ignore', 'pipe'], env: environment })
  )
  if (result.status !== 0) console.log(`The installation failed; tests that need it are skipped. ${result.stderr.toString().trim().split('\n').at(-1) ?? ''}`)
}

/** Services must not start by themselves: tests run their own on ports of their own. A policy that is already there stays. */
function withoutServices<Result>(install: () => Result): Result {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return install()
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return install()
  } finally {
    rmSync(policy, { force: true })
  }
}

if (process.argv.includes('--ensure')) ensure(process.argv[process.argv.indexOf('--ensure') + 1] ?? 'test')
