import { sign } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { foreignKey } from './foreign-key.ts'
import type { SignInFault } from './sign-in-fault.ts'

/** How long `slow` takes to answer. */
const slowMs = 2_000

/** Treats an assertion that arrived wrongly: it is not looked at. True: answered, or left without an answer on purpose. */
export async function misbehaveAtSignIn(fault: SignInFault, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  switch (fault) {
    case 'none':
    case 'bad-signature':
      return false
    case 'slow':
      await sleep(slowMs)
      return false
    case 'no-response':
      return true
    case 'down':
      request.socket.destroy()
      return true
    case 'error-500':
      response.writeHead(500, { 'content-type': 'text/plain' }).end('Internal Server Error')
      return true
  }
}

/** The same AuthnRequest by HTTP Redirect, signed with a key that is not the application's. */
export async function signedByAnother(location: string): Promise<string> {
  const { key } = await foreignKey()
  const [signed = location] = location.split('&Signature=')
  const octets = signed.slice(signed.indexOf('?') + 1)
  return `${signed}&Signature=${encodeURIComponent(sign('sha256', Buffer.from(octets), key).toString('base64'))}`
}
