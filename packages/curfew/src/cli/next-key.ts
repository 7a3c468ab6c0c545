import { chownSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { KeyEntry } from '../config/imports/add-key.ts'
import type { KeyAndCertificate } from '../platform/certificate.ts'

/** Files of a key, absolute. */
export interface KeyFiles {
  readonly key: string
  readonly certificate: string
}

/**
 * Names for the next key in a folder, by the day: `saml-2026-11-28.key.pem`. Neither of the two is there.
 * @param stem - `saml`, `decrypt`
 */
export function freeKeyFiles(folder: string, stem: string, day: string): KeyFiles {
  for (let n = 1; ; n++) {
    const name = `${stem}-${day}${n === 1 ? '' : `-${n}`}`
    const files = { key: join(folder, `${name}.key.pem`), certificate: join(folder, `${name}.crt.pem`) }
    if (!existsSync(files.key) && !existsSync(files.certificate)) return files
  }
}

/** The files as the configuration names them, relative to it. */
export function entryOf({ key, certificate }: KeyFiles, configFile: string, algorithm?: string): KeyEntry {
  const short = (path: string): string => relative(dirname(configFile), path)
  return { key: short(key), certificate: short(certificate), ...(algorithm === undefined ? {} : { algorithm }) }
}

/**
 * Writes both files, for their owner alone. Nothing that is there is written over.
 * @param like - the key before: whoever owns that one, the server, has to read this one
 */
export function writeKeyFiles(files: KeyFiles, { keyPem, certificatePem }: KeyAndCertificate, like: string | undefined): void {
  const owner = like === undefined ? undefined : statSync(like)
  const written: string[] = []
  try {
    for (const [path, text] of [
      [files.key, keyPem],
      [files.certificate, certificatePem]
    ] as const) {
      writeFileSync(path, text, { mode: 0o600, flag: 'wx', flush: true })
      written.push(path)
      const made = statSync(path)
      if (owner !== undefined && (made.uid !== owner.uid || made.gid !== owner.gid)) chownSync(path, owner.uid, owner.gid)
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true })
    throw error
  }
}
