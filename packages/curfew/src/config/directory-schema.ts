import { z } from 'zod'
import { isLoopback } from '../core/loopback.ts'
import { filterProblem } from '../platform/ldap/filter-text.ts'
import { id, path, positive, seconds } from './values.ts'

const address = z
  .url({ protocol: /^ldaps?$/, error: 'write an address such as ldaps://ldap.example.com' })
  .refine((text) => /^\/?$/.test(URL.parse(text)?.pathname ?? '') && !/[?#@]/.test(text), { error: 'write scheme, host and port only' })

const attribute = z.string().regex(/^[A-Za-z][A-Za-z0-9;.-]{0,63}$/, 'write the name of an attribute, such as uid')

/** A directory that people may sign in from. */
export const directory = z
  .strictObject({
    id: id.describe('Name of the directory; user keys begin with it, so it stays.'),
    urls: z.array(address).min(1).describe('ldaps:// or ldap:// addresses. The next is asked where one can not be reached.'),
    startTls: z.boolean().default(false).describe('Begin TLS on ldap:// connections.'),
    ca: path.optional().describe('Certificates in PEM that vouch for the servers. Default: those of the system.'),
    bindDn: z.string().min(1).optional().describe('Who looks people up. Absent: nobody in particular.'),
    bindPassword: z.string().min(1).optional().describe('From the environment or a file: ${env:NAME}, ${file:path}.'),
    base: z.string().min(1).describe('People are looked for below it, such as ou=people,dc=example,dc=com.'),
    filter: z
      .string()
      .default('(objectClass=person)')
      .superRefine((text, context) => {
        const problem = filterProblem(text)
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
      })
      .describe('Who may sign in.'),
    loginAttributes: z.array(attribute).min(1).max(8).default(['uid']).describe('Attributes that hold the name that people type; the first is the user name.'),
    attributes: z.record(attribute, z.string().min(1)).default({ mail: 'mail' }).describe('Attribute of the directory: attribute of the user.'),
    passwordChange: z
      .enum(['none', 'extendedOperation'])
      .default('none')
      .describe('extendedOperation: passwords are changed and reset from here (RFC 3062); a reset needs that right for bindDn.'),
    passwordChanged: z
      .strictObject({
        attribute: attribute.default('pwdChangedTime'),
        syntax: z.enum(['generalizedTime', 'fileTime']).default('generalizedTime').describe('fileTime: as pwdLastSet of Active Directory.'),
        everySeconds: seconds(2, 3_600).default(10)
      })
      .optional()
      .describe(
        'Where the directory says when a password was changed: sessions from before end, whoever changed it. Absent: only changes made here end sessions.'
      ),
    mustChangeAttribute: attribute.optional().describe('Attribute that is TRUE when a new password is needed, such as pwdReset.'),
    connectTimeoutSeconds: seconds(1, 60).default(3),
    timeoutSeconds: seconds(1, 60).default(5).describe('For each operation.'),
    connectionsMax: positive.max(64).default(8).describe('Connections at once; more sign-ins wait.')
  })
  .superRefine((it, context) => {
    const issue = (where: readonly (string | number)[], message: string): void => context.addIssue({ code: 'custom', path: [...where], message })
    it.urls.forEach((text, i) => {
      const { protocol, hostname } = new URL(text)
      if (protocol === 'ldaps:' && it.startTls) issue(['urls', i], 'startTls is for ldap addresses; ldaps has TLS from the start')
      if (protocol === 'ldap:' && !it.startTls && !isLoopback(hostname)) issue(['urls', i], 'passwords would be readable on the way; use ldaps, or startTls')
    })
    if ((it.bindDn === undefined) !== (it.bindPassword === undefined))
      issue([it.bindDn === undefined ? 'bindDn' : 'bindPassword'], 'bindDn and bindPassword belong together')
  })
  .describe('An LDAP directory.')

export type DirectoryConfig = z.output<typeof directory>
