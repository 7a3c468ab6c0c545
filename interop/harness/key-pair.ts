import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'

/** A key and a self-signed certificate as the peer's own administrator would make them: `<name>.key.pem`, `<name>.crt.pem`. */
export function writeKeyPair(folder: string, name: string, host: string): void {
  const key = join(folder, `${name}.key.pem`)
  const options = ['-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', `/CN=${host}`]
  const result = spawnSync('openssl', ['req', '-x509', ...options, '-keyout', key, '-out', join(folder, `${name}.crt.pem`)], { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`openssl could not make a key: ${result.stderr}`)
  chmodSync(key, 0o600)
}
