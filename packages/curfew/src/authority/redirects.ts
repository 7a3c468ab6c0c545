import type { FastifyRequest } from 'fastify'
import type { RedirectDecision } from '../core/redirect.ts'
import { decideByPolicy, type RedirectPolicy, type RedirectUse, redirectUses } from '../core/redirect-policy.ts'
import type { IgnoredLanding } from '../core/run.ts'
import type { AuthorityContext, LogoutSettings, SignOnSettings } from './context.ts'

/** What the configuration says of landing pages, wherever it stands. */
export interface RedirectParts {
  readonly signOn: Pick<SignOnSettings, 'targets' | 'successUrl'>
  readonly logout: Pick<LogoutSettings, 'targets' | 'successUrl' | 'errorUrl' | 'sp'>
  /** Default target addresses of identity providers. */
  readonly targetUrls?: readonly (string | undefined)[]
  readonly validate?: { readonly [U in RedirectUse]?: boolean | undefined }
  readonly allow?: RedirectPolicy['allow']
}

/**
 * One policy out of the whole configuration: everything is validated unless switched off by name, `logout.targets` and
 * `signOn.targets` are entries for their own use and for error pages, and every configured default page is allowed.
 */
export function makeRedirectPolicy({ signOn, logout, targetUrls = [], validate = {}, allow = [] }: RedirectParts): RedirectPolicy {
  const always = [signOn.successUrl, logout.successUrl, logout.errorUrl, logout.sp?.successUrl, ...targetUrls]
  return {
    validate: Object.fromEntries(redirectUses.map((use) => [use, validate[use] ?? true])) as RedirectPolicy['validate'],
    allow: [
      ...allow,
      ...signOn.targets.map((rule) => ({ ...rule, uses: ['sso', 'errorResource'] as const })),
      ...logout.targets.map((rule) => ({ ...rule, uses: ['slo', 'errorResource'] as const }))
    ],
    always: always.filter((url) => url !== undefined)
  }
}

/** A landing parameter as it was judged. `url`: follow it. `ignored`: it was not followed, for the administrator's eyes. */
export interface JudgedLanding {
  readonly url?: string
  readonly ignored?: IgnoredLanding
}

/** Judges one landing parameter by the allow-list, and tells the log when it is not followed. */
export function judgeLanding(
  ctx: Pick<AuthorityContext, 'redirects' | 'logger'>,
  wish: { readonly use: RedirectUse; readonly parameter: string; readonly raw: string | undefined },
  request: FastifyRequest
): JudgedLanding {
  return judged(ctx, wish.parameter, decideByPolicy(ctx.redirects, wish.use, wish.raw), request)
}

/** What a decision comes to; a refusal is logged without the address, which may hold anything. */
export function judged(ctx: Pick<AuthorityContext, 'logger'>, parameter: string, decision: RedirectDecision, request: FastifyRequest): JudgedLanding {
  switch (decision.kind) {
    case 'absent':
      return {}
    case 'allowed':
      return { url: decision.url }
    case 'ignored': {
      const { why } = decision
      ctx.logger.warn({ event: 'redirect.ignored', parameter, why, reference: request.id }, 'A landing address is not on the allow-list')
      return { ignored: { parameter, why } }
    }
  }
}
