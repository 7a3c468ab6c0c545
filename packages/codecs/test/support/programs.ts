import { spawnSync } from 'node:child_process'

function missing(packageName: string, program: string, args: readonly string[]): string | false {
  const { error, status } = spawnSync(program, args, { stdio: 'ignore' })
  return error === undefined && status === 0 ? false : `no ${packageName} on this machine: install it, or run npm test as root`
}

/** Why tests with a program of the system are left out; false: it is there. */
export const noXmlsec1: string | false = missing('xmlsec1', 'xmlsec1', ['--version'])
export const noXmllint: string | false = missing('libxml2-utils', 'xmllint', ['--version'])
export const noLasso: string | false = missing('python3-lasso', '/usr/bin/python3', ['-c', 'import lasso'])
export const noPysaml2: string | false = missing('python3-pysaml2', '/usr/bin/python3', ['-c', 'import saml2'])
