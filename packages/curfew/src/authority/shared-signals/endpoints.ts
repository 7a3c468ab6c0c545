/** Paths of the transmitter. */
export const signalPaths = {
  configuration: '/.well-known/ssf-configuration',
  stream: '/ssf/stream',
  status: '/ssf/status',
  addSubject: '/ssf/subjects/add',
  removeSubject: '/ssf/subjects/remove',
  verification: '/ssf/verification',
  poll: '/ssf/poll'
} as const
