import { CurfewError } from '@curfew/codecs'
import { Html, trusted } from './html.ts'
import type { MessageOverrides } from './messages.ts'

/** Colours of the pages, as `#rrggbb`. */
export interface BrandTokens {
  readonly background: string
  readonly surface: string
  readonly text: string
  readonly muted: string
  readonly accent: string
  readonly onAccent: string
  readonly good: string
  readonly bad: string
}

/** What an organisation may change on the pages. */
export interface Brand {
  readonly organisation: string
  /** `mailto:` or https address of the help desk. */
  readonly help?: string
  /** Path under the authority, or a `data:` image: pages load nothing from elsewhere. */
  readonly logo?: string
  /** The picture for a dark ground; absent: the same. */
  readonly darkLogo?: string
  readonly light: BrandTokens
  readonly dark: BrandTokens
  readonly header?: Html
  readonly footer?: Html
  readonly messages: MessageOverrides
}

export const defaultLight: BrandTokens = {
  background: '#f4f4f1',
  surface: '#ffffff',
  text: '#1d2126',
  muted: '#565d66',
  accent: '#1f4f8f',
  onAccent: '#ffffff',
  good: '#17633a',
  bad: '#9c2a1c'
}

export const defaultDark: BrandTokens = {
  background: '#14171b',
  surface: '#1e2329',
  text: '#eceef0',
  muted: '#a9b1ba',
  accent: '#8db7f0',
  onAccent: '#10233c',
  good: '#86d6a4',
  bad: '#f2a497'
}

/** Least contrast of text on its ground, WCAG 2.2 success criterion 1.4.3. */
export const contrastMin = 4.5

/** What the configuration says of the brand, files already read. */
export interface BrandInput {
  readonly organisation?: string | undefined
  readonly help?: string | undefined
  readonly logo?: string | undefined
  readonly tokens?: Readonly<Partial<BrandTokens>> | undefined
  readonly dark?: { readonly logo?: string | undefined; readonly tokens?: Readonly<Partial<BrandTokens>> | undefined } | undefined
  readonly header?: string | undefined
  readonly footer?: string | undefined
  readonly messages?: MessageOverrides | undefined
}

/**
 * Makes a brand and checks that people can read it.
 * @throws CURFEW_CONFIG_BRAND_CONTRAST when a text colour is below {@link contrastMin} on its ground
 * @throws CURFEW_CONFIG_BRAND_MARKUP when header or footer hold anything but plain structural markup
 */
export function makeBrand(input: BrandInput): Brand {
  const light = { ...defaultLight, ...input.tokens }
  const dark = { ...defaultDark, ...input.dark?.tokens }
  checkContrast(light)
  checkContrast(dark)
  const header = input.header === undefined ? undefined : slot(input.header, 'header')
  const footer = input.footer === undefined ? undefined : slot(input.footer, 'footer')
  return {
    organisation: input.organisation ?? 'Curfew',
    light,
    dark,
    messages: input.messages ?? {},
    ...(input.help === undefined ? {} : { help: input.help }),
    ...(input.logo === undefined ? {} : { logo: input.logo }),
    ...(input.dark?.logo === undefined ? {} : { darkLogo: input.dark.logo }),
    ...(header === undefined ? {} : { header }),
    ...(footer === undefined ? {} : { footer })
  }
}

function checkContrast(tokens: BrandTokens): void {
  const [problem] = contrastProblems(tokens)
  if (problem !== undefined) throw new CurfewError('CURFEW_CONFIG_BRAND_CONTRAST', { ...problem, minimum: contrastMin })
}

/** Two colours that stand on each other and can't be told apart well enough. */
export interface ContrastProblem {
  readonly front: keyof BrandTokens
  readonly ground: keyof BrandTokens
  /** With two decimals. */
  readonly ratio: number
}

/** What stands on what. */
const pairs: readonly (readonly [front: keyof BrandTokens, ground: keyof BrandTokens])[] = [
  ['text', 'background'],
  ['text', 'surface'],
  ['muted', 'background'],
  ['muted', 'surface'],
  ['onAccent', 'accent'],
  ['accent', 'surface'],
  ['accent', 'background'],
  ['good', 'surface'],
  ['bad', 'surface']
]

/** Every pair below {@link contrastMin}. */
export function contrastProblems(tokens: BrandTokens): readonly ContrastProblem[] {
  return pairs.flatMap(([front, ground]) => {
    const ratio = contrast(tokens[front], tokens[ground])
    return ratio < contrastMin ? [{ front, ground, ratio: Math.floor(ratio * 100) / 100 }] : []
  })
}

/** Contrast ratio of two `#rrggbb` colours as WCAG 2.2 defines it, 1 to 21. */
export function contrast(a: string, b: string): number {
  const [dark, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number]
  return (bright + 0.05) / (dark + 0.05)
}

function luminance(colour: string): number {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour)
  if (match === null) throw new CurfewError('CURFEW_CONFIG_BRAND_COLOUR', { colour })
  const [r, g, b] = match.slice(1).map((hex) => {
    const c = Number.parseInt(hex, 16) / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** Elements and attributes that header and footer files may use; everything else is refused, not removed. */
const slotElements = new Set(['p', 'a', 'strong', 'em', 'span', 'div', 'ul', 'li', 'br', 'small', 'nav', 'img'])
const slotAttributes = new Set(['href', 'class', 'lang', 'dir', 'alt', 'src', 'width', 'height', 'title'])

/**
 * Markup of an administrator for one place of a page.
 * @throws CURFEW_CONFIG_BRAND_MARKUP when it holds anything but plain structural markup
 */
export function slot(markup: string, name: string): Html {
  const [problem] = markupProblems(markup)
  if (problem !== undefined) throw new CurfewError('CURFEW_CONFIG_BRAND_MARKUP', { slot: name, tag: problem.tag })
  return trusted(markup)
}

/** A tag that is not accepted. */
export interface MarkupProblem {
  /** At most its first 60 characters. */
  readonly tag: string
  /** Where it begins, in characters. */
  readonly at: number
}

/** Every tag of a slot that is not plain structural markup. */
export function markupProblems(markup: string): readonly MarkupProblem[] {
  return [...markup.matchAll(/<[^>]*>?/g)].flatMap(({ 0: tag, index }) => (isPlain(tag) ? [] : [{ tag: tag.slice(0, 60), at: index }]))
}

function isPlain(tag: string): boolean {
  const match = /^<(\/?)([a-z]+)((?:\s+[a-z]+="[^"<>]*")*)\s*>$/.exec(tag)
  if (match === null || !slotElements.has(match[2] ?? '')) return false
  return [...(match[3] ?? '').matchAll(/([a-z]+)="([^"]*)"/g)].every(([, attribute = '', value = '']) => {
    const isAddress = attribute === 'href' || attribute === 'src'
    return slotAttributes.has(attribute) && (!isAddress || allowedAddress(attribute, value))
  })
}

/** Links may lead elsewhere; pictures come from the authority itself, so that no page tells a third party of a visit. */
function allowedAddress(attribute: string, value: string): boolean {
  if (attribute === 'src') return /^\/(?!\/)[a-z0-9_./-]+$/i.test(value) || value.startsWith('data:image/')
  return /^(https:\/\/|mailto:|\/(?![/\\]))/i.test(value)
}
