import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import { readDecryptionKey } from '../platform/keys.ts'
import { judgeExpiry } from './doctor-certificate.ts'
import { type Check, failedBy } from './doctor-check.ts'

/** The keys that partners encrypt to: the first is published, a second one opens what was encrypted to the one before. */
export function decryptionChecks({ saml, connections, identityProviders }: Config, nowMs: number): readonly Check[] {
  const checks = saml.decryptionKeys.map((key, i): Check => {
    const what = `decryption key ${i + 1}${i === 0 ? ' (published)' : ' (former)'}`
    try {
      const { verification } = readDecryptionKey(readFileSync(key.key, 'utf8'), readFileSync(key.certificate, 'utf8'), key.key)
      const date = verification.notAfterMs === undefined ? {} : { notAfterMs: verification.notAfterMs }
      const fix =
        i === 0
          ? 'Put a new key first and keep this one as the second, until partners have the new metadata.'
          : 'Take it out when nobody encrypts to it any more.'
      return judgeExpiry({ what, ...date, hasSuccessor: i > 0, fix }, nowMs)
    } catch (error) {
      return failedBy(what, error, `Check ${key.key} and ${key.certificate}.`)
    }
  })
  return [
    ...checks,
    ...[...connections, ...identityProviders].flatMap((one) => (one.protocol === 'saml' && one.allowCbc === true ? [cbcCheck(one.id, saml)] : []))
  ]
}

function cbcCheck(id: string, { decryptionKeys }: Config['saml']): Check {
  const what = `${id}: encryption`
  if (decryptionKeys.length === 0)
    return { what, verdict: 'warn', why: 'allowCbc is set, but there is no key to decrypt with', fix: 'Give saml.decryptionKeys, or take allowCbc out.' }
  return {
    what,
    verdict: 'warn',
    why: 'AES-CBC is read of it, where the whole message is signed; AES-GCM would prove itself',
    fix: 'Choose AES-GCM at the partner when it can, and take allowCbc out.'
  }
}
