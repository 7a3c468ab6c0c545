import { requestPath } from './request-path.ts'

declare const own: unique symbol

/** An absolute address on an origin of this gateway. Only {@link ownAddress} makes one. */
export type OwnAddress = string & { readonly [own]: true }

/**
 * A request target as an address of the origin that it came to. The origin stands in it: alone, `//elsewhere/x` is a path
 * for us and another host for a browser. Undefined for what is no path with one meaning, or would lead to another origin.
 */
export function ownAddress({ origin }: { readonly origin: string }, target: string): OwnAddress | undefined {
  if (requestPath(target) === undefined) return undefined
  const address = origin + target
  return URL.parse(address)?.origin === origin ? (address as OwnAddress) : undefined
}
