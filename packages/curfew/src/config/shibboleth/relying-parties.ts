import { attribute, nameIdFormat, type XmlElement } from '@curfew/codecs'
import type { Report } from '../imports/report.ts'

/** What a profile says of sign-ins to one partner; absent: as for all. */
export interface SsoProfile {
  readonly encryptAssertions?: boolean
  readonly encryptNameIDs?: boolean
  readonly signResponses?: boolean
  readonly nameIdFormat?: 'persistent' | 'transient' | 'emailAddress' | 'unspecified'
}

/** Profiles of relying-party.xml. */
export interface RelyingParties {
  readonly forAll: SsoProfile
  readonly byEntity: ReadonlyMap<string, SsoProfile>
}

const propertyNamespace = 'http://www.springframework.org/schema/p'
const argumentNamespace = 'http://www.springframework.org/schema/c'

/** Reads the default and the overrides by entity ID; everything that is said otherwise is left to a person. */
export function readRelyingParties(root: XmlElement, report: Report): RelyingParties {
  const beans = descendants(root)
  const byDefault = beans.find((one) => attribute(one, 'id') === 'shibboleth.DefaultRelyingParty')
  const byEntity = new Map<string, SsoProfile>()
  for (const bean of beans) {
    const parent = attribute(bean, 'parent') ?? ''
    if (parent === 'RelyingPartyByName') {
      const ids = idsOf(bean)
      if (ids.length === 0)
        report.say('unsupported', 'RelyingPartyByName', 'its relyingPartyIds are not in an attribute: write the settings of its connection by hand')
      const profile = profileOf(bean, ids.join(' '), report)
      for (const id of ids) byEntity.set(id, profile)
    } else if (parent.startsWith('RelyingPartyBy'))
      report.say('unsupported', parent, 'only overrides by entity ID are read: write the settings of each connection by hand')
  }
  return { forAll: byDefault === undefined ? {} : profileOf(byDefault, 'shibboleth.DefaultRelyingParty', report), byEntity }
}

function descendants(element: XmlElement): readonly XmlElement[] {
  const found: XmlElement[] = []
  const open: XmlElement[] = [element]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    found.push(next)
    for (const child of next.children.toReversed()) if (typeof child !== 'string') open.push(child)
  }
  return found
}

/** `a`, or `#{{'a', 'b'}}`. */
function idsOf(bean: XmlElement): readonly string[] {
  const value = attribute(bean, 'relyingPartyIds', argumentNamespace)
  if (value === undefined) return []
  return value.startsWith('#{') ? [...value.matchAll(/'([^']{1,1024})'/g)].map(([, id = '']) => id) : [value.trim()]
}

const read = new Set(['encryptAssertions', 'encryptNameIDs', 'signResponses', 'signAssertions', 'nameIDFormatPrecedence'])

function profileOf(bean: XmlElement, about: string, report: Report): SsoProfile {
  const profiles = descendants(bean).filter((one) => one !== bean && (one.name === 'bean' || one.name === 'ref'))
  for (const name of new Set(profiles.map((one) => attribute(one, 'parent') ?? attribute(one, 'bean') ?? ''))) {
    if (/^(SAML1|Shibboleth|CAS|OIDC|OAUTH2|Liberty)\.|^SAML2\.(ECP|AttributeQuery)/.test(name))
      report.say('unsupported', `${about}: ${name}`, 'only sign-in and sign-out by SAML 2.0, with artifacts, are taken over')
  }
  const sso = profiles.find((one) => attribute(one, 'parent') === 'SAML2.SSO')
  if (sso === undefined) return {}
  const value = (name: string): string | undefined => attribute(sso, name, propertyNamespace)
  const flag = (name: string): boolean | undefined => (value(name) === 'true' ? true : value(name) === 'false' ? false : undefined)
  for (const { name, namespace } of sso.attributes)
    if (namespace === propertyNamespace && !read.has(name)) report.say('unsupported', `${about}: SAML2.SSO ${name}`, 'nothing takes its place')
  if (flag('signAssertions') !== undefined) report.say('not-needed', `${about}: SAML2.SSO signAssertions`, 'assertions are always signed')
  const formats = (value('nameIDFormatPrecedence') ?? '').match(/urn:[\w.:-]+/g) ?? []
  const kind = formats
    .map((format) => (['persistent', 'transient', 'emailAddress', 'unspecified'] as const).find((one) => nameIdFormat[one] === format))
    .find((one) => one !== undefined)
  if (formats.length > 0 && kind === undefined)
    report.say('unsupported', `${about}: SAML2.SSO nameIDFormatPrecedence`, 'none of its formats is issued here', 'nameId.format')
  return {
    ...(flag('encryptAssertions') === undefined ? {} : { encryptAssertions: flag('encryptAssertions') === true }),
    ...(flag('encryptNameIDs') === undefined ? {} : { encryptNameIDs: flag('encryptNameIDs') === true }),
    ...(flag('signResponses') === undefined ? {} : { signResponses: flag('signResponses') === true }),
    ...(kind === undefined ? {} : { nameIdFormat: kind })
  }
}
