import type { Mode } from '../../packages/curfew/test/support/modes.ts'

/** Tests that can not hold in a mode by its nature, with the reason that the page gives. */
export interface LeftOut {
  /** From `packages/curfew/test`. */
  readonly file: string
  /** Absent: the whole file. */
  readonly test?: RegExp
  /** Absent: every mode. */
  readonly modes?: readonly Mode[]
  readonly why: string
}

const severalNodes: readonly Mode[] = ['shared', 'state-servers', 'subclusters', 'adaptive', 'regions']
const eachNode = 'counted or kept by each node for itself, so that two nodes answer it another way than one'
const lag = 'several at once, in two regions: each counts what it has been told by then; what holds once they have told each other is tested beside it'
const ownGroup = 'a subcluster keeps this to itself: that is what tells it from a region'

export const leftOut: readonly LeftOut[] = [
  { file: 'attacks/logout-answer.test.ts', test: /used 100 times at once, exactly one counts/, modes: ['regions'], why: lag },
  { file: 'authority/oidc-rp/sign-in.test.ts', test: /a key that is new at the provider is read/, modes: severalNodes, why: eachNode },
  { file: 'authority/oidc-rp/logout.test.ts', test: /frames of strangers make it remember so much and no more/, modes: severalNodes, why: eachNode },
  { file: 'authority/session-management/session-management.test.ts', test: /a client that floods it/, modes: severalNodes, why: eachNode },
  {
    file: 'authority/oidc/client-authentication.test.ts',
    test: /are read once for many requests|are read again for a key that is not in them|that can not be read are asked for/,
    modes: severalNodes,
    why: eachNode
  },
  {
    file: 'authority/oidc/registration.test.ts',
    test: /so many as are allowed, and so often|changes it: the old redirect address/,
    modes: severalNodes,
    why: eachNode
  },
  {
    file: 'authority/revocation-feed/revocation-feed.test.ts',
    test: /continues from any position|moved to another region/,
    modes: ['subclusters', 'regions'],
    why: 'each group has a list of its own: a reader asks one of them, or begins at the start of another, while the test is moved with every request'
  },
  {
    file: 'authority/saml-idp/slo.test.ts',
    test: /takes a LogoutRequest by POST without cookies/,
    modes: ['regions'],
    why: 'the step of a browser comes without any cookie, so that the test sends it as a partner, to the other region; a browser stays in one region for one transaction'
  },
  {
    file: 'authority/sign-on/ldap-directory.it.ts',
    test: /AC-129 a change here (ends|leaves) the others/,
    modes: ['subclusters'],
    why: 'the test starts one more node beside one of the groups, which knows the sessions of that group alone'
  },
  { file: 'authority/sign-on/ldap-directory.it.ts', test: /a locked account is not asked about/, modes: ['subclusters'], why: ownGroup },
  { file: 'authority/sign-on/password-change.test.ts', test: /counts wrong present passwords/, modes: ['subclusters'], why: ownGroup },
  { file: 'authority/ping/system.test.ts', test: /AC-155 shows figures as JSON/, modes: ['subclusters'], why: 'each group counts its own sessions' },
  { file: 'authority/sign-on/session-policies.test.ts', test: /AC-125 of many at once exactly one/, modes: ['regions'], why: lag },
  { file: 'authority/sign-on/sign-on.test.ts', test: /lets parallel guesses not pass/, modes: ['regions'], why: lag },
  { file: 'authority/sign-on/sign-on.test.ts', test: /locks a user after|lets parallel guesses|AC-015|AC-016/, modes: ['subclusters'], why: ownGroup }
]

/** The reason why a test does not count in a mode; undefined: it does. */
export function whyLeftOut(file: string, name: string, mode: Mode): string | undefined {
  return leftOut.find((one) => file === `packages/curfew/test/${one.file}` && (one.test?.test(name) ?? true) && (one.modes?.includes(mode) ?? true))?.why
}
