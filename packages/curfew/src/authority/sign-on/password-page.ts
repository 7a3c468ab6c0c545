import { type Html, html } from '../pages/html.ts'
import type { MessageKey, Translate } from '../pages/messages.ts'
import type { PolicyProblem } from './password-policy.ts'

/** Why the form is shown again: beside which field it stands, and what it says. */
export interface FormProblem {
  readonly at: 'current' | 'new' | 'whole'
  readonly text: string
}

/** What a refused new password is told. */
export function policyText(t: Translate, problem: PolicyProblem, lengthMin: number): FormProblem {
  const keys: Readonly<Record<PolicyProblem, MessageKey>> = {
    different: 'password.different',
    short: 'password.short',
    long: 'password.long',
    same: 'password.same',
    name: 'password.name'
  }
  return { at: 'new', text: t(keys[problem], { count: lengthMin }) }
}

export interface NewPasswordParts {
  readonly t: Translate
  readonly lengthMin: number
  readonly problem?: FormProblem
}

export interface ChangeParts extends NewPasswordParts {
  readonly csrfToken: string
  /** The user whose password changes; `isFixed`: the one who is signed in here. */
  readonly username: { readonly value: string; readonly isFixed: boolean }
  /** A new password is needed before the sign-in goes on. */
  readonly isForced: boolean
  /** Whether the box that ends the other sessions is ticked; absent: nothing is asked. */
  readonly endsOthers?: boolean
  /** Fields that the form carries along. */
  readonly fields: Readonly<Record<string, string | undefined>>
}

export const changePath = '/ext/pwdchange/Identify'
export const resetPath = '/ext/pwdreset/Identify'

/** The form for a new password in the place of one that is known. Password fields are never filled in again. */
export function changeBody(parts: ChangeParts): Html {
  const { t, username, problem } = parts
  const intro = html`<p>${t(parts.isForced ? 'password.forced' : 'password.intro')}</p>`
  const name = username.isFixed
    ? html`<p>${t('password.of', { user: username.value })}</p><input type="text" name="username" value="${username.value}" autocomplete="username" readonly hidden>`
    : html`<label for="username">${t('signon.username')}</label><input type="text" id="username" name="username" value="${username.value}" autocomplete="username" autocapitalize="none" spellcheck="false" required>`
  const current = html`<label for="current">${t('password.current')}</label><input type="password" id="current" name="current" autocomplete="current-password" required${invalid(problem, 'current')}>`
  const others =
    parts.endsOthers === undefined
      ? undefined
      : html`<label class="check"><input type="checkbox" name="endOthers" value="yes"${parts.endsOthers ? html` checked` : undefined}>${t('password.endOthers')}</label>`
  return html`<h1>${t('password.changeTitle')}</h1>${intro}${problemLine(problem)}<form method="post" action="${changePath}">${hidden({ ...parts.fields, csrfToken: parts.csrfToken })}${name}${current}${newFields(parts)}${others}<div class="actions"><button class="primary">${t('password.submit')}</button></div></form>`
}

export interface ResetParts extends NewPasswordParts {
  readonly csrfToken: string
  readonly code: string
  /** Whose password it is; absent: the code has to be typed first. */
  readonly username?: string
}

/** The form for a new password by a code of the help desk. */
export function resetBody(parts: ResetParts): Html {
  const { t, username, code } = parts
  const title = html`<h1>${t('password.resetTitle')}</h1>`
  if (username === undefined) {
    const field = html`<label for="code">${t('password.code')}</label><input type="text" id="code" name="code" value="${code}" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" required${invalid(parts.problem, 'whole')}>`
    return html`${title}<p>${t('password.resetIntro')}</p>${problemLine(parts.problem)}<form method="get" action="${resetPath}">${field}<div class="actions"><button class="primary">${t('password.useCode')}</button></div></form>`
  }
  const name = html`<p>${t('password.of', { user: username })}</p><input type="text" name="username" value="${username}" autocomplete="username" readonly hidden>`
  return html`${title}${problemLine(parts.problem)}<form method="post" action="${resetPath}">${hidden({ csrfToken: parts.csrfToken, code })}${name}${newFields(parts)}<div class="actions"><button class="primary">${t('password.submit')}</button></div></form>`
}

export interface DoneParts {
  readonly t: Translate
  readonly title: MessageKey
  /** How many other sessions ended; absent: none was asked to. */
  readonly ended?: number
  /** Where the way goes on, and what it is called. */
  readonly next: { readonly url: string; readonly text: MessageKey }
}

/** Says what was done, and only that. */
export function doneBody({ t, title, ended, next }: DoneParts): Html {
  const others = ended === undefined ? undefined : html`<p>${t('password.othersEnded', { count: ended })}</p>`
  return html`<h1>${t(title)}</h1>${others}<p class="actions"><a class="button primary" href="${next.url}">${t(next.text)}</a></p>`
}

function newFields({ t, lengthMin, problem }: NewPasswordParts): Html {
  const hint = html`<p class="muted" id="rules">${t('password.rules', { count: lengthMin })}</p>`
  const described = problem?.at === 'new' ? html` aria-invalid="true" aria-describedby="problem rules"` : html` aria-describedby="rules"`
  return html`<label for="new">${t('password.new')}</label>${hint}<input type="password" id="new" name="password" autocomplete="new-password" required${described}><label for="again">${t('password.again')}</label><input type="password" id="again" name="repeated" autocomplete="new-password" required${invalid(problem, 'new')}>`
}

function problemLine(problem: FormProblem | undefined): Html | undefined {
  return problem === undefined ? undefined : html`<p class="bad" role="alert" id="problem">${problem.text}</p>`
}

function invalid(problem: FormProblem | undefined, at: FormProblem['at']): Html | undefined {
  return problem?.at === at || (problem?.at === 'whole' && at === 'current') ? html` aria-invalid="true" aria-describedby="problem"` : undefined
}

function hidden(fields: Readonly<Record<string, string | undefined>>): readonly Html[] {
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [html`<input type="hidden" name="${name}" value="${value}">`]))
}
