import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate } from './certificates.ts'

/** A certificate for some hosts, in PEM files of a folder of its own. */
export interface CertificateFiles extends AsyncDisposable {
  readonly tls: { readonly key: string; readonly certificate: string }
  /** Whose word has to be taken for it. */
  readonly authority: string
}

export async function writeCertificate(hosts: readonly string[]): Promise<CertificateFiles> {
  const root = await makeCertificate({ name: [{ CN: ['Root of the test'] }], isAuthority: true })
  const own = await makeCertificate({ name: [{ CN: ['Hosts of the test'] }], by: root, alternative: hosts.map((value) => ({ type: 'dns', value })) })
  const folder = await mkdtemp(join(tmpdir(), 'curfew-certificate-'))
  const write = async (name: string, pem: string): Promise<string> => {
    const file = join(folder, name)
    await writeFile(file, pem, { mode: 0o600 })
    return file
  }
  return {
    tls: { key: await write('key.pem', own.keyPem), certificate: await write('certificate.pem', own.pem) },
    authority: await write('root.pem', root.pem),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true })
  }
}
