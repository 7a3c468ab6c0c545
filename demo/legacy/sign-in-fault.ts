/** How an application of the demo treats a sign-in. */
export const signInFaults = ['none', 'slow', 'no-response', 'down', 'error-500', 'bad-signature'] as const

export type SignInFault = (typeof signInFaults)[number]

/** What such a fault does, for people. */
export const signInFaultWords: Readonly<Record<SignInFault, string>> = {
  none: 'signs people in as it should',
  slow: 'signs people in as it should, after two seconds',
  'no-response': 'takes the assertion and never answers the browser',
  down: 'drops the connection when the assertion comes',
  'error-500': 'answers the assertion with HTTP 500',
  'bad-signature': 'asks for a sign-in with a signature of somebody else'
}
