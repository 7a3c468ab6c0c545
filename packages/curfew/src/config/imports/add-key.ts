import { isMap, isSeq, parseDocument } from 'yaml'

/** A list of keys in the section `saml`. */
export type KeyList = 'keys' | 'decryptionKeys'

/** The files of one key, as they stand in the configuration. */
export interface KeyEntry {
  readonly key: string
  readonly certificate: string
  readonly algorithm?: string
}

/**
 * The text of a configuration with one more key in a list of `saml`. Comments, order and blank lines stay.
 * @param text - well-formed: whoever asks has loaded it
 * @returns undefined where the list does not stand in the text as a list
 */
export function withKey(text: string, list: KeyList, entry: KeyEntry, place: 'first' | 'last'): string | undefined {
  const document = parseDocument(text)
  const known = document.getIn(['saml', list], true)
  const isJson = isMap(document.contents) && document.contents.flow === true
  if (isSeq(known)) {
    const [sibling] = known.items
    const node = document.createNode(entry, { flow: isJson || (isMap(sibling) && sibling.flow === true) })
    if (place === 'last') known.add(node)
    else known.items.unshift(node)
  } else if (known === undefined && list === 'decryptionKeys' && isMap(document.get('saml', true)))
    document.setIn(['saml', list], document.createNode([entry], { flow: isJson }))
  else return undefined
  const out = document.toString({ lineWidth: 0, ...(isJson ? quoted : {}), indentSeq: isIndented(text) })
  return text.includes('\r\n') ? out.replaceAll(/\r?\n/g, '\r\n') : out
}

/** True where lists stand further in than their name, or there is none. */
function isIndented(text: string): boolean {
  const found = /^( *)[\w-]+:[ \t]*(?:#.*)?\r?\n( *)- /m.exec(text)
  return found === null || (found[2] ?? '').length > (found[1] ?? '').length
}

const quoted = { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE' } as const
