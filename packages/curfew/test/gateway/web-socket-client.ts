import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Agent } from 'undici'

/** Finds every host on this machine, as {@link Visitor} does. */
export const anywhere = new Agent({
  connect: {
    lookup: (_host, options, callback) => (options.all === true ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4))
  }
})

/** A WebSocket that is spoken by hand, at any gateway for the host of another; the promise is the code of its close frame. */
export async function openAt(url: string, { host, cookie }: { readonly host: string; readonly cookie: string }): Promise<{ readonly code: Promise<number> }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const key = randomBytes(16).toString('base64')
  socket.write(
    `GET /live HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nCookie: ${cookie}\r\n\r\n`
  )
  const [first] = (await once(socket, 'data')) as [Buffer]
  if (!first.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(first.toString('latin1'))
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const code = once(socket, 'close').then(() => {
    const octets = Buffer.concat(chunks)
    // A close frame of a server: two octets, then the code (RFC 6455 section 5.5.1).
    return octets[0] === 0x88 ? octets.readUInt16BE(2) : 0
  })
  socket.on('end', () => socket.end())
  return { code }
}
