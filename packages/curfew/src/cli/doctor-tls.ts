import { X509Certificate } from 'node:crypto'
import type { Config } from '../config/schema.ts'
import { hasSuccessor, judgeExpiry } from './doctor-certificate.ts'
import { type Check, failedBy } from './doctor-check.ts'
import { readAuthorities, readTlsPair } from './tls-files.ts'

/** The certificate of this server, and who vouches for those of clients. */
export function tlsChecks({ tls, baseUrl, clientCertificates: asked }: Config['server'], nowMs: number): readonly Check[] {
  const hosts = [baseUrl, ...(asked?.baseUrl === undefined ? [] : [asked.baseUrl])].map((url) => new URL(url).hostname)
  return [...(tls === undefined ? [] : ownChecks(tls, hosts, nowMs)), ...(asked?.authorities === undefined ? [] : authorityChecks(asked.authorities, nowMs))]
}

function ownChecks(tls: NonNullable<Config['server']['tls']>, hosts: readonly string[], nowMs: number): readonly Check[] {
  const what = 'TLS certificate'
  try {
    const certificate = new X509Certificate(readTlsPair(tls).certificate)
    const fix = `Put the new certificate into ${tls.certificate} and its key into ${tls.key}; the server takes them over by itself.`
    const expiry = judgeExpiry({ what, notAfterMs: certificate.validToDate.getTime(), hasSuccessor: false, fix }, nowMs)
    return [expiry, ...hosts.map((host) => nameCheck(certificate, host))]
  } catch (error) {
    return [failedBy(what, error, `Check ${tls.key} and ${tls.certificate}.`)]
  }
}

function nameCheck(certificate: X509Certificate, host: string): Check {
  const what = `TLS certificate for ${host}`
  const bare = host.replace(/^\[|\]$/g, '')
  const isNamed = certificate.checkHost(bare) !== undefined || certificate.checkIP(bare) !== undefined
  return isNamed
    ? { what, verdict: 'ok', why: 'it names this host' }
    : { what, verdict: 'warn', why: 'it does not name this host', fix: 'Where TLS ends in front of this server that is no matter; else browsers refuse it.' }
}

function authorityChecks(path: string, nowMs: number): readonly Check[] {
  try {
    const all = readAuthorities(path).map((authority) => ({ subject: authority.subject.replaceAll('\n', ', '), notAfterMs: authority.validToDate.getTime() }))
    return all.map((one) => {
      const fix = `Add the next one to ${path} now, and take this one out when no client has a certificate of it.`
      return judgeExpiry({ what: `authority of clients ${one.subject}`, notAfterMs: one.notAfterMs, hasSuccessor: hasSuccessor(one, all, nowMs), fix }, nowMs)
    })
  } catch (error) {
    return [failedBy('authorities of clients', error, `Check ${path}.`)]
  }
}
