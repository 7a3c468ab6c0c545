import { isMap, isScalar, isSeq, parseDocument, YAMLSeq } from 'yaml'
import type { DraftEntry } from './draft.ts'

/** A list of partners in `curfew.yaml`. */
export type PartnerList = 'connections' | 'identityProviders'

/**
 * The text of a configuration with one more partner at the end of a list. Comments, order and blank lines stay.
 * @param text - well-formed: whoever asks has loaded it
 */
export function withEntry(text: string, list: PartnerList, { settings, comments }: DraftEntry): string {
  const document = parseDocument(text)
  const isJson = isMap(document.contents) && document.contents.flow === true
  const node = document.createNode(settings, { flow: isJson })
  if (!isJson) node.commentBefore = comments.map((line) => ` ${line.replaceAll(/\p{Cc}/gu, ' ')}`.trimEnd()).join('\n')
  const known = document.get(list, true)
  if (isSeq(known)) {
    if (!isJson) known.flow = false
    known.add(node)
  } else if (known === undefined || (isScalar(known) && known.value === null)) {
    const fresh = new YAMLSeq()
    fresh.flow = isJson
    fresh.add(node)
    document.set(list, fresh)
  } else throw new TypeError(`${list} is no list`)
  const out = document.toString({ lineWidth: 0, ...(isJson ? quoted : {}), indentSeq: !/^[\w-]+:[ \t]*(#.*)?\r?\n- /m.test(text) })
  return text.includes('\r\n') ? out.replaceAll(/\r?\n/g, '\r\n') : out
}

const quoted = { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE' } as const
