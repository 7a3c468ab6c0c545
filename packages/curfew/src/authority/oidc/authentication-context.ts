import type { AuthorityContext } from '../context.ts'
import { hasProvider } from '../sign-on/ways-in.ts'
import { passwordContext } from '../sign-on/sign-in.ts'

/** Longest list of contexts that is looked at, and passed on, in characters. */
const contextsCharactersMax = 1_000

/**
 * The authentication contexts of which one has to be met; undefined where none is demanded. `acr_values` alone demands
 * nothing: it is a wish.
 * @param claims - the `claims` parameter as it came
 * @see OpenID Connect Core 1.0 sections 5.5.1.1 and 3.1.2.1
 */
export function essentialContexts(claims: unknown): readonly string[] | undefined {
  const acr = acrRequest(claims)
  if (acr?.essential !== true) return undefined
  if (typeof acr.value === 'string') return [acr.value]
  return Array.isArray(acr.values) && acr.values.length > 0 ? acr.values.map(String) : undefined
}

interface AcrRequest {
  readonly essential?: unknown
  readonly value?: unknown
  readonly values?: unknown
}

function acrRequest(claims: unknown): AcrRequest | undefined {
  if (typeof claims !== 'string') return undefined
  try {
    return (JSON.parse(claims) as { readonly id_token?: { readonly acr?: AcrRequest | null } | null } | null)?.id_token?.acr ?? undefined
  } catch {
    return undefined
  }
}

/** Which contexts an identity provider is asked for: those that have to be, else those that are wished for. */
export function wishedContexts({ claims, acr_values: wished }: Readonly<Record<string, unknown>>): string | undefined {
  const text = essentialContexts(claims)?.join(' ') ?? (typeof wished === 'string' ? wished : '')
  return text === '' || text.length > contextsCharactersMax ? undefined : text
}

/** False when no way to sign in here leads to one of these contexts. What an identity provider will say is not known before. */
export function canBeMet(ctx: Pick<AuthorityContext, 'signOn' | 'upstreams' | 'connections' | 'adapters'>, wanted: readonly string[]): boolean {
  return hasProvider(ctx) || (ctx.signOn.hasForm && wanted.includes(passwordContext))
}

/** Contexts that this server knows by itself, for discovery. */
export function contextsSupported({ signOn }: Pick<AuthorityContext, 'signOn'>): readonly string[] {
  return signOn.hasForm ? [passwordContext] : []
}
