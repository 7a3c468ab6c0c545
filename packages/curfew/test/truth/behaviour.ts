/** How a participant answers a wish to end its session. */
export const behaviours = [
  'down',
  'hangs',
  'answers 500',
  'redirects elsewhere',
  'never returns the browser',
  'wrong signature',
  'wrong InResponseTo',
  'wrong status',
  'partial logout of its own',
  'too slow',
  'answers twice',
  'answers over another binding'
] as const

export type HostileBehaviour = (typeof behaviours)[number]

export type Behaviour = 'well' | HostileBehaviour
