/** How an application of the demo treats a logout message. */
export const faults = [
  'none',
  'slow',
  'no-response',
  'down',
  'error-500',
  'no-return',
  'bad-signature',
  'wrong-binding',
  'wrong-session-index',
  'partial'
] as const

export type Fault = (typeof faults)[number]

/** Those of an application that is told by its server: no browser comes to it that it could send back or not. */
export const serverFaults: readonly Fault[] = faults.filter((fault) => fault !== 'no-return')
/** Those of one that the browser is sent to. */
export const browserFaults: readonly Fault[] = ['none', 'no-return']

/** What a fault does, for people. */
export const faultWords: Readonly<Record<Fault, string>> = {
  none: 'answers as it should',
  slow: 'answers as it should, after two seconds',
  'no-response': 'takes the message and never answers',
  down: 'drops the connection',
  'error-500': 'answers with HTTP 500, the session stays',
  'no-return': 'ends the session and shows a page of its own: the browser is not sent back',
  'bad-signature': 'answers with a signature of somebody else, the session stays',
  'wrong-binding': 'ends the session and answers with a web page where a SAML message belongs',
  // Signed with its own key: whoever lies so can't be found out, and the outcome is what it says.
  'wrong-session-index': 'says that it knows no such session, although it does, and signs for that: no authority can find that out, so it counts as signed out',
  partial: 'answers that not all of its own parts were signed out'
}
