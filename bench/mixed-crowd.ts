import { connect, type Socket } from 'node:net'

/** Kinds of connections that stay open. */
export const kinds = ['WebSocket', 'server-sent events', 'long poll', 'upload'] as const
export type Kind = (typeof kinds)[number]

/** One client: what it opens, with whose cookie. */
export interface MixedClient {
  readonly kind: Kind
  readonly cookie: string
}

/** What a crowd is told, in a message. */
export interface MixedCrowdOptions {
  readonly port: number
  readonly host: string
  readonly clients: readonly MixedClient[]
}

const atOnce = 200
/** More than an upload sends. */
const uploadBytes = 1_000_000_000

const requestLines: Readonly<Record<Kind, readonly string[]>> = {
  WebSocket: ['GET /live HTTP/1.1', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='],
  'server-sent events': ['GET /events HTTP/1.1', 'Accept: text/event-stream'],
  'long poll': ['GET /poll HTTP/1.1'],
  upload: ['PUT /upload HTTP/1.1', `Content-Length: ${uploadBytes}`]
}
/** Answered at once, and open after that. */
const answered: ReadonlySet<Kind> = new Set(['WebSocket', 'server-sent events'])

/** Opens all of them, says `open`, and in the end when each heard that it is over, in their order. */
async function run({ port, host, clients }: MixedCrowdOptions): Promise<void> {
  const sockets: Socket[] = []
  while (sockets.length < clients.length)
    sockets.push(...(await Promise.all(clients.slice(sockets.length, sockets.length + atOnce).map((client) => open(client, port, host)))))
  const over = Promise.all(sockets.map((socket, i) => ended(socket, clients[i]?.kind ?? 'upload')))
  process.send?.('open')
  process.send?.(await over)
}

async function open({ kind, cookie }: MixedClient, port: number, host: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  const [first = '', ...rest] = requestLines[kind]
  socket.write([first, `Host: ${host}`, `Cookie: ${cookie}`, ...rest, '', kind === 'upload' ? 'x'.repeat(1_000) : ''].join('\r\n'))
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    if (!answered.has(kind)) return socket.once('connect', () => resolve())
    socket.once('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      if (/^HTTP\/1\.1 (101|200) /.test(text)) resolve()
      else reject(new Error(text.slice(0, 200)))
    })
  })
  socket.removeAllListeners('error').on('error', () => undefined)
  return socket
}

/** A close frame, an answer that says so, or the end of the connection; what a stream still brings is neither. */
function ended(socket: Socket, kind: Kind): Promise<number> {
  return new Promise((resolve) => {
    const heard = (): void => resolve(Date.now())
    if (kind === 'server-sent events') socket.resume()
    else socket.once('data', heard)
    socket.once('end', heard).once('close', heard)
  })
}

if (process.send !== undefined) process.once('message', (options) => void run(options as MixedCrowdOptions))
process.on('disconnect', () => process.exit())
