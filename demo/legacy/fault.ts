/** How the legacy application treats a logout message. */
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

export function isFault(value: unknown): value is Fault {
  return faults.some((fault) => fault === value)
}

/** What a fault does, for people. */
export const faultWords: Readonly<Record<Fault, string>> = {
  none: 'answers as it should',
  slow: 'answers as it should, after two seconds',
  'no-response': 'takes the message and never answers',
  down: 'drops the connection',
  'error-500': 'answers with HTTP 500, the session stays',
  'no-return': 'ends the session and shows a page of its own',
  'bad-signature': 'answers with a signature of somebody else, the session stays',
  'wrong-binding': 'ends the session and answers with a web page where a SAML message belongs',
  'wrong-session-index': 'says that it knows no such session, although it does',
  partial: 'answers that not all of its own parts were signed out'
}
