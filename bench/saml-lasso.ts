import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import {
  bindingUri,
  certificateBase64,
  decodePost,
  decodeRedirect,
  type EntityDescriptor,
  type PeerKeys,
  type Received,
  serialiseMetadata,
  verificationKeyFromCertificate,
  verifyLogoutRequest
} from '@curfew/codecs'
import { packageVersion } from '../interop/harness/apache.ts'
import { line } from './measure.ts'
import { parties, type RivalKeys } from './saml-rivals.ts'

/** Signed messages of the identity provider, as its partner gets them. */
export interface LassoMessages {
  readonly response: string
  readonly logoutByPost: string
  readonly logoutByRedirect: string
}

type Operation = keyof LassoMessages | 'signsRedirect' | 'signsPost' | 'rawSign' | 'rawVerify'

/** A rate and what was made, or why there is none. */
type Answer = { readonly perCpuSecond: number; readonly made: string } | { readonly refused: string }

/** lasso, which mod_auth_mellon stands on, does the same work; RSA is that of the OpenSSL of the system, and said beside it. */
export async function lassoLines(
  keys: RivalKeys,
  messages: LassoMessages,
  raw: { readonly sign: number; readonly verify: number }
): Promise<readonly string[]> {
  const version = packageVersion('python3-lasso')?.replace(/-.*$/, '')
  const answers = version === undefined ? 'python3-lasso is not installed' : await lassoAnswers(keys, messages)
  if (typeof answers === 'string') return [`  lasso is not compared: ${answers}`]
  requireOurs(answers, { entityId: parties.service, keys: [verificationKeyFromCertificate(keys.certificatePem)] })
  const one = (operation: Operation, what: string, reference: 'sign' | 'verify'): string => {
    const answer = answers[operation]
    const name = `lasso ${version}: ${what}`
    return 'refused' in answer
      ? `  ${name.padEnd(44)}    none (${answer.refused})`
      : line(name, answer.perCpuSecond / raw[reference], `raw ${reference} (2048)`)
  }
  return [
    one('response', 'verify Response', 'verify'),
    one('logoutByPost', 'verify LogoutRequest by POST', 'verify'),
    one('logoutByRedirect', 'verify LogoutRequest by Redirect', 'verify'),
    one('rawVerify', 'its RSA-3072 alone', 'verify'),
    one('signsPost', 'sign LogoutRequest for POST', 'sign'),
    one('signsRedirect', 'sign LogoutRequest for Redirect', 'sign'),
    one('rawSign', 'its RSA-3072 alone', 'sign')
  ]
}

/** What it says it signed must hold, or its rate means nothing. */
function requireOurs({ signsPost, signsRedirect }: Readonly<Record<Operation, Answer>>, peer: PeerKeys): void {
  const check = (answer: Answer, decode: (made: string) => Received): unknown => 'made' in answer && verifyLogoutRequest(decode(answer.made), peer)
  check(signsPost, (made) => decodePost([['SAMLRequest', made]]))
  check(signsRedirect, (made) => decodeRedirect(made.slice(made.indexOf('?') + 1)))
}

/** One Python process that measures its own CPU; or why it has no answer. */
async function lassoAnswers(keys: RivalKeys, messages: LassoMessages): Promise<Readonly<Record<Operation, Answer>> | string> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-lasso-'))
  try {
    writeFileSync(join(folder, 'key.pem'), keys.keyPem)
    writeFileSync(join(folder, 'certificate.pem'), keys.certificatePem)
    writeFileSync(join(folder, 'sp.xml'), metadata(keys, 'sp'))
    writeFileSync(join(folder, 'idp.xml'), metadata(keys, 'idp'))
    const child = spawn('/usr/bin/python3', [fileURLToPath(new URL('./saml-lasso.py', import.meta.url)), folder])
    child.on('error', () => undefined)
    child.stdin.on('error', () => undefined)
    child.stdin.end(JSON.stringify({ issuer: parties.issuer, ...messages }))
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
    if (!out.startsWith('{')) return err.trim().split('\n').at(-1) ?? 'python3 is not there'
    return JSON.parse(out) as Record<Operation, Answer>
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function metadata({ certificatePem }: RivalKeys, side: 'sp' | 'idp'): string {
  const base = side === 'sp' ? parties.service : parties.issuer
  const bindings = ['redirect', 'post'] as const
  const role = {
    keys: [{ use: 'signing' as const, certificates: [certificateBase64(certificatePem)] }],
    nameIdFormats: [],
    singleLogoutServices: [
      ...bindings.map((binding) => ({ binding: bindingUri(binding), location: `${base}/slo` })),
      { binding: bindingUri('soap'), location: `${base}/soap` }
    ]
  }
  const descriptor: EntityDescriptor = {
    id: '_m',
    entityId: base,
    ...(side === 'idp'
      ? { idp: { ...role, singleSignOnServices: [{ binding: bindingUri('redirect'), location: `${base}/sso` }], wantAuthnRequestsSigned: true } }
      : {
          sp: {
            ...role,
            assertionConsumerServices: [{ binding: bindingUri('post'), location: parties.consumer, index: 0, isDefault: true }],
            authnRequestsSigned: true,
            wantAssertionsSigned: true
          }
        })
  }
  const { head, tail } = serialiseMetadata(descriptor)
  return head + tail
}
