import { createPrivateKey, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  bindingUri,
  certificateBase64,
  decodeRedirect,
  decodeSoap,
  encodeRedirect,
  encodeSoap,
  type LogoutRequest,
  type PeerKeys,
  serialiseLogoutResponse,
  serialiseMetadata,
  signMessage,
  status,
  type Verified,
  verifyLogoutRequest
} from '@curfew/codecs'
import { createSelfSigned } from '../../packages/curfew/src/platform/certificate.ts'
import { createIds } from '../../packages/curfew/src/platform/ids.ts'
import { systemRandom } from '../../packages/curfew/src/platform/random.ts'

const bindings = { redirect: bindingUri('redirect'), post: bindingUri('post'), soap: bindingUri('soap') }
const host = 'sp.localhost'
const ids = createIds(systemRandom)

/** One SAML service provider: a name, and addresses. */
export interface Application {
  readonly id: string
  readonly entityId: string
  readonly acsUrl: string
  readonly sloUrl: string
  readonly soapUrl: string
}

export interface Signing {
  readonly key: KeyObject
  readonly algorithm: 'rsa-sha256'
}

/** Service providers that all share one key; their server answers LogoutRequests by SOAP, everything else a browser brings is answered by whoever plays it. */
export interface Applications {
  readonly all: readonly Application[]
  readonly host: string
  readonly signing: Signing
  /** A signed LogoutRequest that the browser brought to one of them: where it sends the browser with its answer. */
  answer(query: string, keys: PeerKeys, sloUrl: string): Promise<string>
  /** One metadata document for all; `soap`: they are asked from server to server. */
  metadata(binding: 'redirect' | 'soap'): string
  /** Whose LogoutRequests by SOAP are taken. */
  trust(keys: PeerKeys): void
  close(): void
}

export async function startApplications(count: number): Promise<Applications> {
  const pair = await createSelfSigned(host, { fromMs: Date.now(), days: 30 }, systemRandom)
  const signing: Signing = { key: createPrivateKey(pair.keyPem), algorithm: 'rsa-sha256' }
  let trusted: PeerKeys = { entityId: 'https://nobody.example', keys: [] }
  const server = createServer((request, response) => {
    // Whether an application is there is looked at before a browser is sent to it.
    if (request.method !== 'POST') return void response.writeHead(204).end()
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const id = request.url?.split('/')[1] ?? ''
      answerSoap(Buffer.concat(chunks)).then(
        (body) => response.writeHead(200, { 'content-type': 'text/xml' }).end(body),
        (error: unknown) => response.writeHead(500).end(`${id}: ${String(error)}`)
      )
    })
  })
  const answerSoap = async (body: Buffer): Promise<string> => {
    const asked = verifyLogoutRequest(decodeSoap(body), trusted)
    return encodeSoap(await signMessage(responseTo(asked), signing))
  }
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const origin = `http://${host}:${(server.address() as AddressInfo).port}`
  const all = Array.from({ length: count }, (_, i): Application => {
    const base = `${origin}/app${i}`
    return { id: `app${i}`, entityId: base, acsUrl: `${base}/acs`, sloUrl: `${base}/slo`, soapUrl: `${base}/soap` }
  })
  const byDestination = new Map(all.map((one) => [one.sloUrl, one.entityId]))
  const responseTo = (asked: Verified<LogoutRequest>, destination?: string): ReturnType<typeof serialiseLogoutResponse> =>
    serialiseLogoutResponse({
      kind: 'LogoutResponse',
      id: ids.message(),
      issuer: issuerOf(asked),
      issueInstant: Temporal.Now.instant(),
      inResponseTo: asked.id,
      status: status.success(),
      ...(destination === undefined ? {} : { destination })
    })
  const issuerOf = ({ destination }: Verified<LogoutRequest>): string => byDestination.get(destination ?? '') ?? (destination ?? '').replace(/\/soap$/, '')
  return {
    all,
    host,
    signing,
    async answer(query, keys, sloUrl) {
      const relayState = new URLSearchParams(query).get('RelayState')
      const { head, tail } = responseTo(verifyLogoutRequest(decodeRedirect(query), keys), sloUrl)
      return encodeRedirect(sloUrl, { parameter: 'SAMLResponse', xml: head + tail, ...(relayState === null ? {} : { relayState }) }, signing)
    },
    metadata: (binding) => aggregate(all.map((one) => metadataOf(one, binding, pair.certificatePem))),
    trust(keys) {
      trusted = keys
    },
    close: () => server.close()
  }
}

function metadataOf(one: Application, binding: 'redirect' | 'soap', certificatePem: string): string {
  const redirect = { binding: bindings.redirect, location: one.sloUrl }
  const { head, tail } = serialiseMetadata({
    entityId: one.entityId,
    id: `_${one.id}`,
    sp: {
      keys: [{ use: 'signing', certificates: [certificateBase64(certificatePem)] }],
      nameIdFormats: [],
      singleLogoutServices: binding === 'soap' ? [{ binding: bindings.soap, location: one.soapUrl }, redirect] : [redirect],
      assertionConsumerServices: [{ binding: bindings.post, location: one.acsUrl, index: 0, isDefault: true }],
      authnRequestsSigned: true,
      wantAssertionsSigned: true
    }
  })
  return head + tail
}

function aggregate(entities: readonly string[]): string {
  return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${entities.join('')}</md:EntitiesDescriptor>`
}
