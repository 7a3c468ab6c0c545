import { z } from 'zod'
import { clientCertificates, tls } from './tls-schema.ts'
import { colour, hostPort, httpsWanted, isConfidential, path, url } from './values.ts'

export const server = z
  .strictObject({
    baseUrl: url
      .refine(isConfidential, { error: httpsWanted })
      .describe('Origin of the authority as browsers see it: https, or http on loopback. Every address and Destination derives from it.'),
    listen: z.array(hostPort).min(1).default(['127.0.0.1:9031']).describe('Where the runtime listens.'),
    tls: tls.optional(),
    clientCertificates: clientCertificates.optional(),
    trustedProxies: z.array(z.string()).default([]).describe('Address ranges whose X-Forwarded headers count.'),
    heartbeatMonitoring: z.boolean().default(false).describe('/pf/heartbeat.ping shows figures instead of OK.')
  })
  .refine(({ tls: own, clientCertificates: asked }) => own !== undefined || (asked?.listen ?? []).length === 0, {
    path: ['clientCertificates', 'listen'],
    error: 'server.tls is needed to listen for certificates'
  })
  .refine(({ trustedProxies, clientCertificates: asked }) => asked?.header === undefined || trustedProxies.length > 0, {
    path: ['clientCertificates', 'header'],
    error: 'server.trustedProxies is needed to say whose header counts'
  })
  .describe('The authority as browsers and partners see it.')

export const admin = z
  .strictObject({
    listen: z.array(hostPort).min(1).default(['127.0.0.1:9999']).describe('Where the admin API and the metrics listen.'),
    tokenFile: path.optional().describe('File with the token of the admin API. Default: data/admin.token'),
    token: z.string().min(16).optional().describe('The token itself, from the environment: ${env:NAME}.')
  })
  .prefault({})
  .describe('The admin API that the command line uses.')

export const outbound = z
  .strictObject({
    allowPrivate: z.array(z.string()).default([]).describe('Private address ranges that may be reached, such as 10.20.0.0/16.'),
    hosts: z.record(z.string(), z.string()).default({}).describe('Fixed addresses of host names.'),
    perPeerMax: z.int().min(1).max(256).default(16).describe('Requests to one partner at once.')
  })
  .prefault({})
  .describe('Requests that leave the authority.')

const tokens = z
  .strictObject({ background: colour, surface: colour, text: colour, muted: colour, accent: colour, onAccent: colour, good: colour, bad: colour })
  .partial()

export const brand = z
  .strictObject({
    organisation: z.string().min(1).max(80).default('Curfew'),
    help: z
      .string()
      .regex(/^(https:\/\/|mailto:)/, 'write an https or mailto address')
      .optional(),
    logo: path.optional().describe('Picture file (SVG, PNG or WebP), at most 64 KB.'),
    tokens: tokens.optional().describe('Colours, as #rrggbb; those that are left out stay. Text needs a contrast of 4.5 to its ground.'),
    dark: z
      .strictObject({
        logo: path.optional().describe('Picture file for a dark ground. Default: the other one.'),
        tokens: tokens.optional().describe('Colours for browsers that prefer dark; the same rules.')
      })
      .optional()
      .describe('What differs where the browser prefers dark.'),
    messages: path.optional().describe('Folder with <language>.json files that replace texts, each of 256 KB at most.'),
    header: path.optional().describe('File with plain markup that stands above every page, at most 256 KB.'),
    footer: path.optional().describe('File with plain markup that stands below every page, at most 256 KB.')
  })
  .prefault({})
  .describe('How the pages look and speak.')

export const logging = z
  .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') })
  .prefault({})
  .describe('Log lines on standard error.')
