import { z } from 'zod'
import { directory } from './directory-schema.ts'
import { adapterLogout, idpid } from './partner-schema.ts'
import { id, path, positive, target, url } from './values.ts'

export const signOn = z
  .strictObject({
    users: path.optional().describe('File of local users, made by curfew users add. Absent: people sign in at an identity provider only.'),
    directories: z
      .array(directory)
      .max(8)
      .default([])
      .describe('Where else people are looked up, in this order, after the file: the first that knows a name has the word about it.'),
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
    thisIsMyDevice: z
      .boolean()
      .default(false)
      .describe('The form asks whether the device is of this person alone; sessions.deviceType decides what follows. Left empty: of many.'),
    passwords: z
      .strictObject({
        change: z.boolean().default(true).describe('People may change their passwords here, and use codes from curfew users reset.'),
        lengthMin: z.int().min(8).max(128).default(12).describe('Least number of characters of a new password.'),
        otherSessions: z
          .enum(['ask', 'end', 'keep'])
          .default('ask')
          .describe('What a change on the page does to the other sessions of the user: the person decides, they end, they go on.'),
        resetHours: positive.max(720).default(24).describe('How long a code from curfew users reset is good for.')
      })
      .prefault({})
      .describe('What people may do about their passwords.'),
    passwordChangeEndsSessions: z.boolean().default(true).describe('A changed or reset password ends the sessions that were opened with the old one.')
  })
  .refine(({ passwords, passwordChangeEndsSessions }) => passwordChangeEndsSessions || passwords.otherSessions !== 'end', {
    path: ['passwords', 'otherSessions'],
    error: 'end contradicts passwordChangeEndsSessions: false; write ask or keep'
  })
  .prefault({})
  .describe('The sign-in form.')
