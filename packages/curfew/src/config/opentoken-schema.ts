import { z } from 'zod'
import { accountLinking, adapterLogout, idpid, partner } from './partner-schema.ts'
import { seconds, url } from './values.ts'

/** What an OpenToken adapter has in either role. */
const openTokenAdapter = {
  ...partner,
  protocol: z.literal('opentoken'),
  password: z.string().min(8).max(512).describe('Both sides know it; from the environment or a file: ${env:NAME}, ${file:path}.'),
  cipherSuite: z.enum(['aes-128', 'aes-256', '3des']).optional().describe('Default: aes-128. 3des is there for old applications.'),
  transport: z
    .enum(['query', 'cookie', 'form', 'reference'])
    .optional()
    .describe('How tokens travel. Default: form to applications, query from login applications. reference: attributes are picked up server to server.'),
  tokenName: z
    .string()
    .regex(/^[A-Za-z][\w.-]{0,59}$/, 'write a name of letters, digits, dots and dashes')
    .optional()
    .describe('Name of the query parameter, form field or cookie. Default: opentoken.'),
  tokenSeconds: seconds(1, 28_800).optional().describe('How long a token is good for. Default: 300.'),
  sessionSeconds: seconds(1, 259_200).optional().describe('Gives renew-until. Default: 43200.'),
  notBeforeToleranceSeconds: seconds(0, 3_600).optional().describe('How far not-before may lie ahead. Default: 0.'),
  cookie: z
    .strictObject({
      domain: z.string(),
      path: z.string().startsWith('/'),
      secure: z.boolean(),
      httpOnly: z.boolean(),
      sameSite: z.enum(['lax', 'strict', 'none'])
    })
    .partial()
    .optional()
    .describe('The transport cookie. secure and httpOnly are on by default, sameSite is lax; none needs secure.'),
  logoutService: url.optional().describe('Where browsers are sent to end the session of the application. Absent: it can not be asked.'),
  resumeParameter: z.enum(['both', 'resumePath', 'resume']).optional().describe('Name of the parameter with the resume path. Default: both.'),
  confirmation: z
    .enum(['return', 'answer'])
    .optional()
    .describe('What counts as signed out: the return of the browser (default), or only an answer token, which the SDK gives.'),
  reference: z
    .strictObject({ username: z.string().min(1), password: z.string().min(8) })
    .optional()
    .describe('What the application says at /ext/ref/pickup and /ext/ref/dropoff.'),
  attributes: z
    .record(z.string(), z.string())
    .optional()
    .describe('Attribute of the token: attribute of the user; username is the name, sessionIndex what this application calls the session.')
}

export const openTokenConnection = z
  .strictObject({
    ...openTokenAdapter,
    targetUrl: url.describe('Where the application takes tokens.'),
    origins: z.array(url).optional().describe('Further origins of the application that TargetResource may lead to.'),
    subject: z.string().min(1).optional().describe('Attribute that becomes the subject. Default: the user name.'),
    accountLinkService: url
      .optional()
      .describe('Where people sign in with the account they have there, when they come for the first time; it is the subject from then on.'),
    subjectParameter: z
      .string()
      .regex(/^[A-Za-z][\w.-]{0,59}$/, 'write a name of letters, digits, dots and dashes')
      .optional()
      .describe('Query parameter with the subject, beside the token. Nothing protects it: only the token may open a session.')
  })
  .describe('An application by OpenToken (SP adapter instance).')

export const openTokenLogin = z
  .strictObject({
    ...openTokenAdapter,
    authenticationService: url.describe('Where browsers are sent to sign in.'),
    accountLinking,
    adapterLogout,
    targetUrl: url.optional(),
    idpid
  })
  .describe('An application that signs people in by OpenToken (IdP adapter instance).')
