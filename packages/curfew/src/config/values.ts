import { z } from 'zod'
import { limitMinutesMax } from '../core/expiry.ts'
import { isLoopback } from '../core/loopback.ts'

export const id = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/, 'use lower-case letters, digits and dashes, starting with a letter, at most 40')
  .describe('Short name, used in commands, addresses and logs. Example: payroll')
export const url = z.url({ protocol: /^https?$/, error: 'write an http or https address, such as https://app.example.com/saml/slo' })
/** True for an address where nobody on the way can read along. One that is no address at all is the matter of another rule. */
export function isConfidential(text: string): boolean {
  const parsed = URL.parse(text)
  return parsed === null || parsed.protocol === 'https:' || isLoopback(parsed.hostname)
}
export const httpsWanted = 'write an https address; http is for loopback hosts only'
export const urlOrPath = z.union([url, z.string().startsWith('/', 'write an address, or a path when the connection has a baseUrl')])
export const path = z.string().min(1)
export const hostPort = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.*-]+):\d{1,5}$/, 'write host:port, such as 127.0.0.1:9031')
export const positive = z.int().min(1)
export const minutes = z.union([z.literal(-1), z.int().min(1).max(limitMinutesMax)], { error: `write -1 or minutes from 1 to ${limitMinutesMax}` })
export const seconds = (least: number, most: number) => z.int().min(least).max(most)
export const colour = z.string().regex(/^#[0-9a-fA-F]{6}$/, 'write a colour as #rrggbb')
export const target = z.strictObject({
  domain: z
    .string()
    .regex(/^(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?$/, 'write a host name, such as www.example.com or *.example.com')
    .describe('Host; *. in front stands for any sub-domain.'),
  path: z.string().startsWith('/').optional().describe('Only this path and what lies below it.'),
  requireHttps: z.boolean().default(true),
  allowQueryAndFragment: z.boolean().default(false)
})
