import { z } from 'zod'
import { positive, target, url } from './values.ts'

export const logout = z
  .strictObject({
    confirm: z.boolean().default(false).describe('Ask before every sign-out that starts at the authority.'),
    successUrl: url.optional().describe('Landing page after a sign-out that everyone confirmed.'),
    errorUrl: url.optional().describe('Landing page after one that not everyone confirmed.'),
    targets: z.array(target).default([]).describe('Allowed TargetResource and InErrorResource addresses; others are ignored.'),
    sp: z
      .strictObject({ confirm: z.boolean().optional(), successUrl: url.optional() })
      .optional()
      .describe('What differs at /sp/startSLO.ping: whether it asks, and its landing page.'),
    attempts: z.int().min(1).max(20).default(4).describe('Server-to-server attempts per application.'),
    retryBaseSeconds: positive.max(3_600).default(10),
    retryCapSeconds: positive.max(86_400).default(300),
    deadlineHours: positive.max(720).default(24).describe('When what is still open becomes final.'),
    sendTimeoutSeconds: positive.max(60).default(5),
    hopTimeoutSeconds: positive
      .max(60)
      .default(8)
      .describe(
        'How long the browser may stay away at one application; if that does not answer at all, a script brings the browser back for the others. What a hidden frame of it took without an answer comes off, down to 3.'
      ),
    frameTimeoutSeconds: positive
      .max(30)
      .default(5)
      .describe(
        'How long the sign-off page waits for hidden frames and pictures, and 2 at least; where an application started it, 3 at most and 1 at least. No longer than 2 while an application waits for a visit of the browser itself, or will if its frame brings nothing.'
      ),
    patienceSeconds: positive.max(60).default(8).describe('How long whoever started waits before hearing what is known.')
  })
  .prefault({})
  .describe('How sign-outs are carried out.')

export const redirects = z
  .strictObject({
    validate: z
      .strictObject({
        sso: z.boolean().default(true),
        slo: z.boolean().default(true),
        idpDiscovery: z.boolean().default(true),
        errorResource: z.boolean().default(true)
      })
      .prefault({})
      .describe('false: landing addresses of this use are not looked up in the list; any http or https address is followed.'),
    allow: z
      .array(
        target.extend({
          uses: z
            .array(z.enum(['sso', 'slo', 'idpDiscovery', 'errorResource']))
            .min(1)
            .describe('What the entry is good for.')
        })
      )
      .default([])
      .describe('Allowed landing addresses. logout.targets and signOn.targets are short forms for one use each.')
  })
  .prefault({})
  .describe('Which landing addresses are followed.')

export const pingOne = z
  .strictObject({
    prefix: z
      .string()
      .regex(/^\/([A-Za-z0-9_-]+\/)+$/, 'write a path with a slash at both ends, such as /sso/')
      .default('/sso/')
      .describe('What the paths SLO.saml2, initslo and terminatesession begin with.'),
    ownOrigins: z
      .array(url)
      .default(['https://desktop.pingone.com', 'https://sso.connect.pingidentity.com'])
      .describe('Origins that the parameter page may always lead to, beside server.baseUrl.'),
    landingUrl: url.optional().describe('Landing page without a valid page. Default: logout.successUrl.')
  })
  .prefault({})
  .describe('The sign-out addresses of PingOne for Enterprise.')
