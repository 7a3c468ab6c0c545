import { z } from 'zod'

const id = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'use lower-case letters, digits and dashes, starting with a letter, at most 40')
const url = z.url({ protocol: /^https?$/, error: 'write an http or https address' })

const transmitter = z
  .strictObject({
    id: id.describe('Short name. It pushes to /ssf/receive/<id>.'),
    issuer: z.string().min(1).max(1024).describe('iss of its tokens.'),
    audience: z.string().min(1).max(1024).describe('aud of its tokens: what it calls this server.'),
    jwksUri: url.optional().describe('Where its keys are. Absent: its /.well-known/ssf-configuration says so; issuer is an https address then.'),
    pushToken: z
      .string()
      .regex(/^[\x21-\x7e]{16,1024}$/, 'write at least 16 printable characters without spaces')
      .optional()
      .describe('Bearer token that it pushes with, from the environment or a file.'),
    poll: z
      .strictObject({ url, clientId: z.string().min(1), clientSecret: z.string().min(1) })
      .optional()
      .describe('Fetch from it instead, with HTTP Basic.'),
    identityProvider: id.optional().describe('Identity provider whose names of users its iss_sub subjects are.'),
    client: id.optional().describe('Client that is the same party: what came from it is not told to its stream. Default: the client with the same id.')
  })
  .refine((one) => (one.pushToken === undefined) !== (one.poll === undefined), { error: 'give either pushToken or poll' })
  .refine((one) => one.jwksUri !== undefined || /^https?:$/.test(URL.parse(one.issuer)?.protocol ?? ''), {
    path: ['jwksUri'],
    error: 'the issuer is no address, so say where its keys are'
  })

/** Section `sharedSignals` of `curfew.yaml`. */
export const sharedSignals = z
  .strictObject({
    transmitters: z
      .array(transmitter)
      .refine((list) => new Set(list.map((one) => one.id)).size === list.length, { error: 'two transmitters have the same id' })
      .default([])
      .describe('Who may say that sessions have to end.')
  })
  .prefault({})
  .describe('Shared signals that are received. Streams to send are of clients (sharedSignals there).')
