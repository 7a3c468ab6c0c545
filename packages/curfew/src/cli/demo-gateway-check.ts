import { request as httpRequest } from 'node:http'
import type { PlainBrowser } from './plain-browser.ts'

/** An application behind the gateway of the demo. */
export interface GuardedUnderCheck {
  readonly name: string
  readonly url: string
}

/** How long a connection may take to be closed after its session ended, in milliseconds. */
const closedMsMax = 1_000

/** Opens the application and a WebSocket of it, as its page does. */
export interface LiveCheck {
  /** What its page says. */
  readonly body: string
  /** Resolves with code and reason when the gateway closes the connection; with what else happened otherwise. */
  closed(): Promise<string>
}

export async function openLive(browser: PlainBrowser, { url }: GuardedUnderCheck): Promise<LiveCheck> {
  const { body } = await browser.open(`${url}/`)
  const { host, port } = new URL(url)
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    path: '/live',
    headers: {
      host,
      cookie: browser.cookie(url),
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA=='
    }
  })
  const frame = new Promise<string>((resolve) => {
    request.on('response', ({ statusCode }) => resolve(`refused with ${statusCode}`))
    request.on('error', (error) => resolve(error.message))
    request.on('upgrade', (_answer, socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (data: Buffer) => {
        resolve(data[0] === 0x88 ? `${data.readUInt16BE(2)} ${data.subarray(4).toString()}` : 'something else')
        socket.destroy()
      })
      socket.once('close', () => resolve('closed without a word'))
    })
    request.end()
  })
  const opened = new Promise<void>((resolve) =>
    request
      .on('upgrade', () => resolve())
      .on('response', () => resolve())
      .on('error', () => resolve())
  )
  await opened
  return { body, closed: () => Promise.race([frame, new Promise<string>((resolve) => setTimeout(resolve, closedMsMax, 'still open'))]) }
}
