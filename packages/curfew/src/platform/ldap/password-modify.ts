/** Password Modify. @see rfc3062 section 2 */
export const passwordModifyOid = '1.3.6.1.4.1.4203.1.11.1'

/** Whose password becomes what; without `dn` it is that of whoever is bound. */
export interface PasswordModify {
  readonly dn?: string
  readonly current?: string
  readonly password: string
}

/** The value of the request, in BER: a sequence of what is there, tagged 0, 1 and 2. */
export function passwordModifyValue({ dn, current, password }: PasswordModify): Buffer {
  const parts = [dn, current, password].flatMap((text, i) => (text === undefined ? [] : [element(0x80 + i, Buffer.from(text))]))
  return element(0x30, Buffer.concat(parts))
}

function element(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}
