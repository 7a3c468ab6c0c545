import { createHash } from 'node:crypto'

/** How a value that names a person or opens something is shown. */
export type Show = (value: string) => string

/** `--reveal`: as it is. */
export const revealed: Show = (value) => value

/** The first four characters, never more than half, and a hash prefix: enough to compare, too little to use. */
export const shortened: Show = (value) => {
  const characters = [...value]
  const shown = characters.slice(0, Math.min(4, Math.floor(characters.length / 2))).join('')
  return `${shown}... (sha256 ${hashPrefix(value)})`
}

/** Eight hexadecimal digits of the SHA-256: what the admin API shows beside a shortened name too. */
export function hashPrefix(value: string): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 8)
}
