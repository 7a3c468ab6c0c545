import { type OpenTokenStatement, writeOpenToken } from '@curfew/codecs'
import type { BrowserInstruction } from '../../engine/sender.ts'
import type { Ids } from '../../platform/ids.ts'
import type { Random } from '../../platform/random.ts'
import type { Store } from '../../stores/store.ts'
import type { OpenTokenAdapter } from './adapter.ts'
import { leaveReference, referenceParameter } from './reference-store.ts'
import { type TokenUseDeps, useUpOwn } from './token-use.ts'

export interface CarryDeps extends TokenUseDeps {
  readonly store: Store
  readonly random: Pick<Random, 'bytes'>
  readonly ids: Pick<Ids, 'group'>
}

export interface Carried {
  readonly url: string
  readonly statement: OpenTokenStatement
  /** Further parameters, such as the resume path; they travel in the query in every transport, where kits look for them. */
  readonly parameters?: Readonly<Record<string, string>>
  readonly nowMs: number
}

/** Sends a browser to an application with a statement about its user, by the transport of the adapter. */
export async function carry(
  deps: CarryDeps,
  adapter: OpenTokenAdapter,
  { url: address, statement, parameters = {}, nowMs }: Carried
): Promise<BrowserInstruction> {
  const url = new URL(address)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  if (adapter.transport === 'reference') {
    const left = { ...pickedUp(statement), ...parameters }
    url.searchParams.set(referenceParameter, await leaveReference(deps, { adapterId: adapter.id, for: 'application' }, left, nowMs))
    return { method: 'redirect', url: url.href }
  }
  const token = writeOpenToken(statement, adapter.key, deps.random.bytes(adapter.key.suite.ivBytes))
  await useUpOwn(deps, adapter, token, statement.notOnOrAfter.epochMilliseconds, nowMs)
  switch (adapter.transport) {
    case 'query':
      url.searchParams.set(adapter.tokenName, token)
      return { method: 'redirect', url: url.href }
    case 'form':
      return { method: 'post', url: url.href, fields: { [adapter.tokenName]: token } }
    case 'cookie':
      return { method: 'redirect', url: url.href, cookie: cookieOf(adapter, token) }
  }
}

/** The answer to a pick-up: plain names, several values as a list. */
function pickedUp({ subject, attributes, authnContext }: OpenTokenStatement): Readonly<Record<string, string | readonly string[]>> {
  const plain = Object.entries(attributes).map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values] as const)
  return { ...Object.fromEntries(plain), subject, ...(authnContext === undefined ? {} : { authnCtx: authnContext }) }
}

/** `Set-Cookie` for the transport cookie. */
export function cookieOf({ tokenName, cookie }: OpenTokenAdapter, token: string): string {
  const { domain, path, isSecure, isHttpOnly, sameSite } = cookie
  const parts = [
    `${tokenName}=${token}`,
    `Path=${path}`,
    `SameSite=${sameSite}`,
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
    ...(isSecure ? ['Secure'] : []),
    ...(isHttpOnly ? ['HttpOnly'] : []),
    ...(token === '' ? ['Max-Age=0'] : [])
  ]
  return parts.join('; ')
}
