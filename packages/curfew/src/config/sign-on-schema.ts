import { z } from 'zod'
import { adapterLogout, idpid } from './partner-schema.ts'
import { id, path, positive, target, url } from './values.ts'

export const signOn = z
  .strictObject({
    users: path.optional().describe('File of local users, made by curfew users add. Absent: people sign in at an identity provider only.'),
    sourceId: id.default('form'),
    idpid,
    adapterLogout,
    successUrl: url.optional().describe('Landing page after a sign-in that names none.'),
    targets: z.array(target).default([]).describe('Allowed TargetResource addresses of a sign-in; others are ignored.'),
    sessionState: z.enum(['none', 'globally', 'perAdapter']).default('globally').describe('Who may use the sign-in of the form when sessions are off.'),
    locking: z
      .strictObject({
        attempts: positive.max(1_000).default(5),
        windowMinutes: positive.max(1_440).default(15),
        endsSessions: z.boolean().default(false).describe('A lock ends the sessions of the user, too. Whoever knows the name can then sign that user out.')
      })
      .prefault({})
      .describe('Wrong passwords within the window before an account is locked.'),
    passwordChangeEndsSessions: z.boolean().default(true).describe('A changed or reset password ends the sessions that were opened with the old one.')
  })
  .prefault({})
  .describe('The sign-in form.')
