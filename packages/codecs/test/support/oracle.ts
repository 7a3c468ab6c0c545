import { ParseOption, XmlC14NMode, XmlDocument, type XmlElement } from 'libxml2-wasm'

const safely = ParseOption.XML_PARSE_NONET | ParseOption.XML_PARSE_NO_XXE | ParseOption.XML_PARSE_NO_SYS_CATALOG

/**
 * Exclusive canonical form of a document, or of one element of it, as libxml2 computes it.
 * @param path - XPath of the element; the root element without one
 * @throws whatever libxml2 says about a document that it does not read
 */
export function canonicalByLibxml(xml: string | Uint8Array, options: { readonly path?: string; readonly prefixes?: readonly string[] } = {}): string {
  const document = XmlDocument.fromBuffer(typeof xml === 'string' ? Buffer.from(xml) : xml, { option: safely })
  try {
    const element = options.path === undefined ? document.root : (document.get(options.path) as XmlElement | null)
    if (element === null) throw new TypeError(`nothing at ${String(options.path)}`)
    return element.canonicalizeToString({
      mode: XmlC14NMode.XML_C14N_EXCLUSIVE_1_0,
      ...(options.prefixes === undefined ? {} : { inclusiveNamespacePrefixes: options.prefixes.map((p) => (p === '' ? '#default' : p)) })
    })
  } finally {
    document.dispose()
  }
}
