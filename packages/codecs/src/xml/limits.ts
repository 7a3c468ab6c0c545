/** Limits of one document. The whole is counted in bytes, what is inside in characters as written. */
export interface XmlLimits {
  readonly documentBytesMax: number
  readonly depthMax: number
  readonly elementsMax: number
  /** Attributes of one element, namespace declarations not counted. */
  readonly attributesMax: number
  /** Attributes and declarations of the whole document: bounds the time that a document of nothing else can take. */
  readonly documentAttributesMax: number
  /** Namespace declarations of one element. */
  readonly namespacesMax: number
  readonly nameCharactersMax: number
  readonly attributeCharactersMax: number
  readonly textCharactersMax: number
  /** Messages refuse comments; metadata written by people may hold some, they are dropped and the text joined. */
  readonly dropsComments: boolean
}

/** A protocol message, whoever sent it. */
export const messageLimits: XmlLimits = {
  documentBytesMax: 256 * 1024,
  depthMax: 32,
  elementsMax: 2_000,
  attributesMax: 32,
  documentAttributesMax: 8_000,
  namespacesMax: 16,
  nameCharactersMax: 128,
  attributeCharactersMax: 8 * 1024,
  textCharactersMax: 64 * 1024,
  dropsComments: false
}

/** Metadata of partners. */
export const metadataLimits: XmlLimits = {
  documentBytesMax: 4 * 1024 * 1024,
  depthMax: 64,
  elementsMax: 200_000,
  attributesMax: 64,
  documentAttributesMax: 800_000,
  namespacesMax: 32,
  nameCharactersMax: 256,
  attributeCharactersMax: 64 * 1024,
  textCharactersMax: 1024 * 1024,
  dropsComments: true
}
