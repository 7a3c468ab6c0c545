import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  bindingUri,
  certificateBase64,
  createSeal,
  type Decryption,
  type EntityDescriptor,
  makeDecryptionKey,
  type PeerKeys,
  type SigningKey,
  serialiseMetadata,
  verificationKeyFromCertificate
} from '../../src/index.ts'

export const ours = 'https://login.example'
export const ourUrls = { sso: `${ours}/sso`, slo: `${ours}/slo`, soap: `${ours}/soap`, acs: `${ours}/acs` }

/** What the partner answered: fields of a message, or why it refused. */
export interface PartnerAnswer {
  readonly error?: string
  readonly url?: string
  readonly body?: string
  readonly id?: string
  readonly nameId?: string
  readonly sessionIndex?: string
  readonly issuer?: string
  readonly status?: string
  readonly inResponseTo?: string
}

interface Entity {
  readonly entityId: string
  readonly signing: SigningKey
  /** What the other side checks with. */
  readonly keys: PeerKeys
  readonly decrypting: KeyObject
}

/** An independent implementation, running as service provider and as identity provider, and keys of ours that it knows. */
export interface PythonPartner extends AsyncDisposable {
  readonly own: Entity
  readonly sp: Entity
  readonly idp: Entity
  ask(command: Readonly<Record<string, unknown>>): Promise<PartnerAnswer>
  /** Encrypts for its service provider or identity provider. */
  sealFor(entity: Entity): ReturnType<typeof createSeal>
}

export async function startPartner(library: 'lasso' | 'pysaml2'): Promise<PythonPartner> {
  const folder = mkdtempSync(join(tmpdir(), `curfew-${library}-`))
  const own = entity(folder, 'own', ours)
  const sp = entity(folder, 'sp', `urn:${library}:sp`)
  const idp = entity(folder, 'idp', `urn:${library}:idp`)
  metadata(folder, 'ours', ours, own, folder)
  metadata(folder, 'sp', sp.entityId, sp, folder)
  metadata(folder, 'idp', idp.entityId, idp, folder)
  const program = fileURLToPath(new URL(`${library}-partner.py`, import.meta.url))
  const child = spawn('/usr/bin/python3', [program, folder, ours], { stdio: ['pipe', 'pipe', 'ignore'] })
  return talk(child, { own, sp, idp }, folder)
}

function talk(child: ChildProcess, entities: Pick<PythonPartner, 'own' | 'sp' | 'idp'>, folder: string): PythonPartner {
  assert.ok(child.stdout !== null && child.stdin !== null)
  const waiting: ((answer: PartnerAnswer) => void)[] = []
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line) as PartnerAnswer))
  child.on('exit', () => {
    for (const tell of waiting) tell({ error: 'it stopped' })
  })
  const { stdin } = child
  return {
    ...entities,
    ask: (command) =>
      new Promise((resolve) => {
        waiting.push(resolve)
        stdin.write(`${JSON.stringify(command)}\n`)
      }),
    sealFor: ({ decrypting, entityId }) =>
      createSeal({ key: createPublicKey(decrypting), content: 'aes-256-gcm', transport: 'rsa-oaep', recipient: entityId }, (count) => randomBytes(count)),
    async [Symbol.asyncDispose]() {
      child.kill()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** Keys made by OpenSSL: the libraries want certificates. */
function entity(folder: string, name: string, entityId: string): Entity {
  const made = (what: string): { key: string; certificate: string } => {
    const [key, certificate] = [join(folder, `${what}.key`), join(folder, `${what}.crt`)]
    const { status, error } = spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-days',
      '30',
      '-keyout',
      key,
      '-out',
      certificate
    ])
    assert.equal(error, undefined, 'openssl must be on the path')
    assert.equal(status, 0)
    return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') }
  }
  const signing = made(name)
  const decrypting = createPrivateKey(made(`${name}.decrypt`).key)
  return {
    entityId,
    signing: { key: createPrivateKey(signing.key), algorithm: 'rsa-sha256', certificate: certificateBase64(signing.certificate) },
    keys: { entityId, keys: [verificationKeyFromCertificate(signing.certificate)] },
    decrypting
  }
}

function metadata(folder: string, file: string, entityId: string, { signing }: Entity, keys: string): void {
  const prefix = file === 'ours' ? 'own' : file
  const encryption = certificateBase64(readFileSync(join(keys, `${prefix}.decrypt.crt`), 'utf8'))
  const base = file === 'ours' ? ours : `https://${file}.example`
  const role = {
    keys: [
      { use: 'signing' as const, certificates: [signing.certificate ?? ''] },
      { use: 'encryption' as const, certificates: [encryption] }
    ],
    nameIdFormats: ['urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
    singleLogoutServices: [
      { binding: bindingUri('redirect'), location: `${base}/slo` },
      { binding: bindingUri('post'), location: `${base}/slo` },
      { binding: bindingUri('soap'), location: `${base}/soap` }
    ]
  }
  const descriptor: EntityDescriptor = {
    id: '_m',
    entityId,
    ...(file === 'sp'
      ? {}
      : { idp: { ...role, singleSignOnServices: [{ binding: bindingUri('redirect'), location: `${base}/sso` }], wantAuthnRequestsSigned: true } }),
    ...(file === 'idp'
      ? {}
      : {
          sp: {
            ...role,
            assertionConsumerServices: [{ binding: bindingUri('post'), location: `${base}/acs`, index: 0, isDefault: true }],
            authnRequestsSigned: true,
            wantAssertionsSigned: true
          }
        })
  }
  const { head, tail } = serialiseMetadata(descriptor)
  writeFileSync(join(folder, `${file}.xml`), head + tail)
}

/** What we open with: lasso encrypts with AES-CBC only. */
export function decryptionOf({ decrypting, entityId }: Entity): Decryption {
  return { keys: [makeDecryptionKey(decrypting)], recipient: entityId, allowsCbc: true }
}
