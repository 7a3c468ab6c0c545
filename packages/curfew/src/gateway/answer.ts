import type { ServerResponse } from 'node:http'
import { type CatalogueEntry, codecCatalogue, type CurfewError } from '@curfew/codecs'
import { catalogue } from '../errors/catalogue.ts'
import type { OwnAddress } from './route/own-address.ts'
import type { ProviderAddress } from './sign-in/provider.ts'

/** Headers of every answer that the gateway gives itself. */
export const ownHeaders = {
  'cache-control': 'no-cache, no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
} as const

/** Sends a browser on, to the provider or to a page of its own origin and nowhere else; never kept. */
export function seeOther(response: ServerResponse, location: OwnAddress | ProviderAddress, setCookies: readonly string[] = []): void {
  response.writeHead(303, { ...ownHeaders, location, 'content-length': 0, ...(setCookies.length === 0 ? {} : { 'set-cookie': [...setCookies] }) }).end()
}

export interface Content {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly setCookies?: readonly string[]
}

export function send(response: ServerResponse, type: string, body: string | Buffer, { status = 200, headers = {}, setCookies = [] }: Content = {}): void {
  const octets = typeof body === 'string' ? Buffer.from(body) : body
  const cookies = setCookies.length === 0 ? {} : { 'set-cookie': [...setCookies] }
  response.writeHead(status, { ...ownHeaders, 'content-type': type, 'content-length': octets.length, ...headers, ...cookies }).end(octets)
}

const entries: Readonly<Record<string, CatalogueEntry>> = { ...codecCatalogue, ...catalogue }

export function entryOf({ code }: CurfewError): CatalogueEntry {
  return entries[code] ?? { kind: 'programmer', http: 500, title: code }
}

/** A problem document (RFC 9457): the code's own sentence and a reference, never the reason. */
export function problemDocument(error: CurfewError, reference: string): string {
  const { title, http } = entryOf(error)
  return JSON.stringify({ type: `urn:curfew:error:${error.code}`, title, status: http, code: error.code, instance: reference })
}
