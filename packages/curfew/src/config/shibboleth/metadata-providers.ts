import { attribute, childElements, type XmlElement } from '@curfew/codecs'
import type { Report } from '../imports/report.ts'

/** Where metadata of partners came from. */
export interface ProvidedMetadata {
  readonly id: string
  /** The file to read now. */
  readonly file: string
  /** Where it is read from later; absent: from the file. */
  readonly url?: string
  /** Path of the certificate that has to have signed it. */
  readonly certificate?: string
}

const xsi = 'http://www.w3.org/2001/XMLSchema-instance'
export const metadataNamespace = 'urn:mace:shibboleth:2.0:metadata'

/**
 * Reads the providers that name whole files or addresses; partners that are asked for one by one can not be listed.
 * @param resolve - replaces `%{idp.home}` and other properties
 */
export function readProviders(root: XmlElement, resolve: (text: string) => string, report: Report): readonly ProvidedMetadata[] {
  const kind = attribute(root, 'type', xsi)?.split(':').at(-1) ?? 'MetadataProvider'
  const inner = elementsOf(root).filter(({ name, namespace }) => name === 'MetadataProvider' && namespace === metadataNamespace)
  if (kind === 'ChainingMetadataProvider' || inner.length > 0) return inner.flatMap((one) => readProviders(one, resolve, report))
  const id = attribute(root, 'id') ?? kind
  const value = (name: string): string | undefined => {
    const text = attribute(root, name)
    return text === undefined || text === '' ? undefined : resolve(text)
  }
  const certificate = signerOf(root, id, resolve, report)
  const signer = certificate === undefined ? {} : { certificate }
  const [file, backing, url] = [value('metadataFile'), value('backingFile'), value('metadataURL')]
  if (file !== undefined) return [{ id, file, ...signer }]
  if (url !== undefined && backing !== undefined) return [{ id, file: backing, url, ...signer }]
  const note =
    url === undefined
      ? `${kind} names no file and no address of its own: add partners by curfew connections add --metadata`
      : `${url}: curfew import metadata ${url}`
  report.say('unsupported', `provider ${id}`, note)
  return []
}

function signerOf(provider: XmlElement, id: string, resolve: (text: string) => string, report: Report): string | undefined {
  const filters = elementsOf(provider).filter(({ name }) => name === 'MetadataFilter')
  for (const filter of filters) {
    const kind = attribute(filter, 'type', xsi)?.split(':').at(-1) ?? ''
    if (kind === 'RequiredValidUntil') report.say('approximated', `provider ${id}: ${kind}`, 'validUntil counts where it is there; it is not demanded')
    else if (!['SignatureValidation', 'EntityRole', 'EntityRoleWhiteList'].includes(kind))
      report.say('unsupported', `provider ${id}: ${kind}`, 'this filter has no counterpart: say --entity to choose partners')
  }
  const found = filters.map((filter) => attribute(filter, 'certificateFile')).find((one) => one !== undefined)
  return found === undefined ? undefined : resolve(found)
}

function elementsOf(element: XmlElement): readonly XmlElement[] {
  try {
    return childElements(element)
  } catch {
    // A filter may hold a script as text; nothing of it is read.
    return element.children.filter((child): child is XmlElement => typeof child !== 'string')
  }
}
