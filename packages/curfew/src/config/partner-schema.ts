import { z } from 'zod'
import { id, path, url } from './values.ts'

export const idpid = z.string().min(1).max(200).optional().describe('Value of the parameter idpid that means sessions from here. Default: the id.')

export const adapterLogout = z
  .strictObject({
    path: z
      .string()
      .regex(/^\/[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/, 'write a path that begins with a slash, such as /logout')
      .describe('Served under /ext.'),
    redirectUrl: url.optional().describe('Where the browser goes afterwards; wins over template.'),
    template: path.optional().describe('File with the text of the page that is shown otherwise.')
  })
  .optional()
  .describe('A path that ends the sessions of this source here, without telling anybody.')

export const accountLinking = z
  .enum(['off', 'offered', 'required'])
  .optional()
  .describe('Its people may (offered) or have to (required) say with a password which local user they are, once. Default: off.')

export const partner = {
  id,
  name: z.string().min(1).max(80).optional().describe('Name shown to people.'),
  logoUrl: z
    .string()
    .optional()
    .describe(
      'Picture beside the name: a `data:image/...` address, or a path of this host. Pages load nothing from elsewhere: of any other the first letter of the name is shown.'
    ),
  homeUrl: url.optional().describe('Where a person opens it.'),
  domains: z
    .array(z.string().regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/, 'write a domain, such as example.com'))
    .optional()
    .describe('The parameter page may lead to these domains, and below, from a session that it takes part in.')
}
