import type { Html } from '../../authority/pages/html.ts'
import type { MessageKey, Translate } from '../../authority/pages/messages.ts'
import { accountBody, consentBody } from '../../authority/oidc/interaction-page.ts'
import { type FormParts, formBody } from '../../authority/sign-on/form-page.ts'
import { homeBody, type HomeApp } from '../../authority/sign-on/home-page.ts'
import { changeBody, type ChangeParts, changePath, doneBody, type FormProblem, resetBody, resetPath } from '../../authority/sign-on/password-page.ts'
import { chooseFrom, type OfferedProvider, type ProviderChoice } from '../../authority/sign-on/provider-choice.ts'
import { linkBody, type LinkParts } from '../../authority/upstream/link-page.ts'
import type { PageContext } from '../../authority/pages/page.ts'
import { exampleApps, exampleCsrfToken as csrfToken, exampleUser } from './example.ts'
import { type PageState, type Section, state } from './state.ts'

const lengthMin = 12
const lockedMinutes = 15
const action = '/idp/example/resume/idp/SSO.ping'

const campus: readonly OfferedProvider[] = ['Campus', 'Partner network', 'Guest accounts'].map((name) => ({ id: name, name }))
const many: readonly OfferedProvider[] = Array.from({ length: 24 }, (_, i) => ({ id: String(i), name: `University ${i + 1}` }))
const nowhere = chooseFrom([], '', undefined)

function form(context: PageContext, change: Partial<FormParts>, problem: string | undefined): Html {
  return formBody({
    t: context.t,
    hasPassword: true,
    providers: nowhere,
    action,
    csrfToken,
    deviceQuestion: 'none',
    isRepeat: false,
    passwordLinks: { change: changePath, reset: resetPath },
    ...(problem === undefined ? {} : { problem, username: exampleUser }),
    ...change
  })
}

const formState = (id: string, when: string, change: Partial<FormParts> = {}, problem?: MessageKey): PageState =>
  state(id, when, 'signon.title', (context) => form(context, change, problem && context.t(problem, { minutes: lockedMinutes })))

const elsewhere = (id: string, when: string, providers: ProviderChoice): PageState => formState(id, when, { hasPassword: false, providers })

const accountTitle = (t: Translate): string => t('account.title', { user: exampleUser })
const consentTitle = (t: Translate): string => t('consent.title', { app: exampleApps.wiki })

export const signInStates: Section = {
  title: 'Sign-in',
  states: [
    formState('sign-in', 'The form'),
    formState('sign-in-application', 'An application waits; identity providers may be chosen instead', {
      appName: exampleApps.travel,
      deviceQuestion: 'persistent',
      providers: chooseFrom(campus, '', 'Campus')
    }),
    formState('sign-in-device', 'The form asks whose the device is', { deviceQuestion: 'device' }),
    formState('sign-in-again', 'An application wants a fresh proof', { isRepeat: true, username: exampleUser }),
    formState('sign-in-refused', 'A wrong password', {}, 'signon.failed'),
    formState('sign-in-locked', 'Too many wrong passwords', {}, 'signon.locked'),
    formState('sign-in-unavailable', 'The directory of users does not answer', {}, 'signon.unavailable'),
    formState('sign-in-elsewhere-first', 'The password has to be changed, and not here', {}, 'password.elsewhereFirst'),
    elsewhere('sign-in-providers', 'Identity providers alone', chooseFrom(campus, '', undefined)),
    elsewhere('sign-in-search', 'More identity providers than a page shows', chooseFrom(many, '', undefined)),
    elsewhere('sign-in-nothing-found', 'A search that finds none', chooseFrom(many, 'Atlantis', undefined)),
    state('account', 'An application lets the person choose who signs in', accountTitle, ({ t }) =>
      accountBody({ t, app: exampleApps.wiki, user: exampleUser, action: '/', csrfToken })
    ),
    state('consent', 'An application asks for more than who it is', consentTitle, ({ t }) =>
      consentBody({ t, app: exampleApps.wiki, asked: { scopes: ['openid', 'profile', 'email', 'offline_access'], claims: [] }, action: '/', csrfToken })
    ),
    state('consent-least', 'An application asks for no more than that', consentTitle, ({ t }) =>
      consentBody({ t, app: exampleApps.wiki, asked: { scopes: ['openid'], claims: [] }, action: '/', csrfToken })
    )
  ]
}

const homeApps: readonly HomeApp[] = (['payroll', 'travel', 'wiki'] as const).map((id) => ({
  name: exampleApps[id],
  logoUrl: undefined,
  href: '/',
  isUsed: id === 'payroll'
}))

export const homeStates: Section = {
  title: 'Start page',
  states: [
    state('home', 'Signed in', 'home.title', ({ t }) => homeBody(t, exampleUser, homeApps)),
    state('home-empty', 'No application can be opened from here', 'home.title', ({ t }) => homeBody(t, exampleUser, []))
  ]
}

function link(id: string, when: string, mayDecline: boolean, problem?: MessageKey): PageState {
  return state(id, when, 'link.title', ({ t }) => {
    const parts: LinkParts = { t, action: '/', csrfToken, provider: 'Campus', providerUser: 'ana@campus.example', mayDecline }
    return linkBody(problem === undefined ? parts : { ...parts, username: exampleUser, problem: t(problem) })
  })
}

export const linkStates: Section = {
  title: 'Account link',
  states: [
    link('link', 'Somebody new from an identity provider', true),
    link('link-required', 'Nobody may go on without', false),
    link('link-change-first', 'The password has to be changed first', true, 'link.changeFirst')
  ]
}

function change(id: string, when: string, parts: Partial<ChangeParts> = {}, problem?: readonly [FormProblem['at'], MessageKey]): PageState {
  return state(id, when, 'password.changeTitle', ({ t }) =>
    changeBody({
      t,
      lengthMin,
      csrfToken,
      username: { value: exampleUser, isFixed: true },
      isForced: false,
      endsOthers: true,
      fields: {},
      ...(problem === undefined ? {} : { problem: { at: problem[0], text: t(problem[1], { count: lengthMin }) } }),
      ...parts
    })
  )
}

const refusals: readonly (readonly [id: string, when: string, key: MessageKey])[] = [
  ['different', 'The new ones differ', 'password.different'],
  ['short', 'Too short', 'password.short'],
  ['long', 'Too long', 'password.long'],
  ['same', 'The old one', 'password.same'],
  ['name', 'It contains the user name', 'password.name'],
  ['refused', 'The directory refuses it', 'password.refused'],
  ['refused-short', 'The directory wants a longer one', 'password.refusedShort'],
  ['refused-used', 'The directory knows it from before', 'password.refusedUsed'],
  ['refused-soon', 'Changed a short time ago', 'password.refusedSoon']
]

const done = (id: string, when: string, ended: number | undefined): PageState =>
  state(id, when, 'password.changed', ({ t }) =>
    doneBody({ t, title: 'password.changed', next: { url: '/', text: 'live.continue' }, ...(ended === undefined ? {} : { ended }) })
  )

const reset = (id: string, when: string, username?: string, problem?: MessageKey): PageState =>
  state(id, when, 'password.resetTitle', ({ t }) =>
    resetBody({
      t,
      lengthMin,
      csrfToken,
      code: '',
      ...(username === undefined ? {} : { username }),
      ...(problem === undefined ? {} : { problem: { at: username === undefined ? 'whole' : 'new', text: t(problem, { count: lengthMin }) } })
    })
  )

export const passwordStates: Section = {
  title: 'Passwords',
  states: [
    change('password', 'By choice'),
    change('password-forced', 'Demanded in the middle of a sign-in', { isForced: true, username: { value: exampleUser, isFixed: false } }),
    change('password-wrong', 'The present one is wrong', {}, ['current', 'signon.failed']),
    ...refusals.map(([id, when, key]) => change(`password-${id}`, when, {}, ['new', key])),
    change('password-elsewhere', 'It can not be changed here', {}, ['whole', 'password.elsewhere']),
    change('password-unanswered', 'The directory gave no answer', {}, ['whole', 'password.unanswered']),
    done('password-changed', 'Done', undefined),
    done('password-changed-ended', 'Done, and other sessions ended', 2),
    reset('reset', 'The code of the help desk is asked for'),
    reset('reset-wrong', 'A code that is not good', undefined, 'password.codeWrong'),
    reset('reset-password', 'The code was right', exampleUser),
    reset('reset-short', 'Too short', exampleUser, 'password.short')
  ]
}
