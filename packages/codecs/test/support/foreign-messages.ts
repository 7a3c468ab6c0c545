import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Assertion,
  type AuthnRequest,
  bearerMethod,
  encodeRedirect,
  encodeSoap,
  encryptAssertion,
  type LogoutRequest,
  nameIdFormat,
  type NameID,
  type Seal,
  type SigningKey,
  serialiseAssertion,
  serialiseLogoutRequest,
  serialiseResponse,
  signEnvelopedSync,
  status
} from '../../src/index.ts'
import { codeOf } from './messages.ts'
import { mutate } from './mutate.ts'
import { ours, ourUrls, type PythonPartner } from './python-partner.ts'
import { seeded } from './seeded.ts'

/** Whole seconds: what partners write. */
export const now = (): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(Math.floor(Date.now() / 1000) * 1000)
let serial = 0
/** Always as long: where a seed changes a message does not depend on which tests ran before. */
export const nextId = (): string => `_ours${String((serial += 1)).padStart(22, '0')}`
/** The query of an address, still encoded. */
export const queryOf = (url: string | undefined): string => (url ?? '').slice((url ?? '').indexOf('?') + 1)
/** A persistent name with everything that an attribute or a text may hold. */
export const nameId = (spNameQualifier: string, issuer: string, value = 'a name & <more>'): NameID => ({
  value,
  format: nameIdFormat.persistent,
  nameQualifier: issuer,
  spNameQualifier
})

/** What of a Response is encrypted. */
export interface Seals {
  readonly assertion?: Seal
  readonly nameId?: Seal
}

/** Our Response to the service provider that the partner is. */
export function responseFor({ own, sp }: PythonPartner, requestId: string, subject: NameID, seals: Seals = {}, signs = false): string {
  const acs = 'https://sp.example/acs'
  const assertion: Assertion = {
    id: nextId(),
    issuer: ours,
    issueInstant: now(),
    subject: { nameId: subject, confirmations: [{ method: bearerMethod, recipient: acs, notOnOrAfter: now().add({ minutes: 5 }), inResponseTo: requestId }] },
    conditions: { notBefore: now().subtract({ minutes: 1 }), notOnOrAfter: now().add({ minutes: 5 }), audienceRestrictions: [[sp.entityId]] },
    authnStatement: { authnInstant: now(), sessionIndex: 'index "1" & more', classRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password' },
    attributes: [{ name: 'mail', values: ['a@example.com'] }]
  }
  const signed = signEnvelopedSync(serialiseAssertion(assertion, seals.nameId), own.signing)
  const carried = seals.assertion === undefined ? signed : encryptAssertion(signed, seals.assertion)
  const parts = serialiseResponse(
    { kind: 'Response', id: nextId(), issuer: ours, issueInstant: now(), destination: acs, inResponseTo: requestId, status: status.success() },
    carried
  )
  return Buffer.from(signs ? signEnvelopedSync(parts, own.signing) : parts.head + parts.tail).toString('base64')
}

/** How a message travels. */
export type Method = 'redirect' | 'post' | 'soap'

/** Our LogoutRequest to a partner in one of its roles. */
export function ourLogout(role: 'sp' | 'idp', method: Method, subject: NameID, index: string): LogoutRequest {
  return {
    kind: 'LogoutRequest',
    id: nextId(),
    issuer: ours,
    issueInstant: now(),
    destination: `https://${role}.example/${method === 'soap' ? 'soap' : 'slo'}`,
    notOnOrAfter: now().add({ minutes: 5 }),
    reason: 'urn:oasis:names:tc:SAML:2.0:logout:user',
    subject,
    sessionIndexes: [index],
    asynchronous: false
  }
}

/** The same as it goes on the wire: a query, a field of a form, or an envelope. */
export async function sendLogout({ own }: PythonPartner, method: Method, request: LogoutRequest, seal?: Seal): Promise<string> {
  const parts = serialiseLogoutRequest(request, seal)
  if (method === 'soap') return encodeSoap(signEnvelopedSync(parts, own.signing))
  if (method === 'post') return Buffer.from(signEnvelopedSync(parts, own.signing)).toString('base64')
  return queryOf(await encodeRedirect(request.destination ?? '', { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, own.signing))
}

/** Our AuthnRequest to the identity provider that the partner is. */
export function authnRequestFor(id: string): AuthnRequest {
  return {
    kind: 'AuthnRequest',
    id,
    issuer: ours,
    issueInstant: now(),
    destination: 'https://idp.example/sso',
    forceAuthn: false,
    isPassive: false,
    assertionConsumerServiceURL: ourUrls.acs,
    protocolBinding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
    nameIdPolicy: { format: nameIdFormat.persistent, allowCreate: true }
  }
}

const signable = ['protocol:LogoutRequest', 'protocol:LogoutResponse', 'protocol:Response', 'assertion:Assertion'].flatMap((name) => [
  '--id-attr:ID',
  `urn:oasis:names:tc:SAML:2.0:${name}`
])

/**
 * A document that xmlsec1 has to accept, too. It takes no key from KeyInfo either.
 * @param within - the element whose signature it is to look at; the first signature without one
 */
export function isGoodForXmlsec(xml: string, signedBy: KeyObject, within?: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-mutation-'))
  try {
    const [file, key] = [join(folder, 'message.xml'), join(folder, 'key.pem')]
    writeFileSync(file, xml)
    writeFileSync(key, createPublicKey(signedBy).export({ type: 'spki', format: 'pem' }))
    const place = within === undefined ? [] : ['--node-xpath', `//*[local-name()='${within}']/*[local-name()='Signature']`]
    const args = ['--verify', '--enabled-key-data', 'raw-x509-cert', '--pubkey-pem', key, ...signable, ...place, file]
    const { status: code, error } = spawnSync('xmlsec1', args)
    assert.equal(error, undefined, 'xmlsec1 (Debian: xmlsec1) must be on the path')
    return code === 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Some of what was accepted, each at most once: others with another seed. */
export function chosen(accepted: readonly Buffer[], countMax: number, seed: number): readonly Buffer[] {
  const random = seeded(seed)
  const left = [...accepted]
  return Array.from({ length: Math.min(countMax, left.length) }, () => left.splice(random.below(left.length), 1)).flat()
}

/** Some of what was accepted, which xmlsec1 has to accept, too. */
export function assertGoodForXmlsec(accepted: readonly Buffer[], seed: number, { signing }: { readonly signing: SigningKey }, within?: string): void {
  for (const one of chosen(accepted, 10, seed)) assert.ok(isGoodForXmlsec(one.toString('utf8'), signing.key, within), `seed ${seed}: ${one.toString()}`)
}

/** Changes a message again and again; what is still accepted has to say the same. Returns what was accepted, changed. */
export function acceptedMutants(original: Buffer, cases: number, seed: number, read: (octets: Buffer) => object): readonly Buffer[] {
  const random = seeded(seed)
  const expected = { ...read(original) }
  const accepted: Buffer[] = []
  for (let i = 0; i < cases; i++) {
    const changed = mutate(original, random)
    const code = codeOf(() => assert.deepEqual({ ...read(changed) }, expected))
    assert.match(code, /^(accepted|CURFEW_)/, `seed ${seed}, case ${i}`)
    if (code === 'accepted' && !original.equals(changed)) accepted.push(changed)
  }
  return accepted
}
