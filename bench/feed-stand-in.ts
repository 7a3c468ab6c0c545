import { createServer, type ServerResponse } from 'node:http'
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { revocationPageAudience, revocationPageEntriesMax, revocationPageType } from '@curfew/codecs'

/** What the stand-in is started with, as its one argument. */
export interface StandInOptions {
  readonly port: number
  readonly entries: number
}

/** Without news a page comes so often. */
const heartbeatMs = 1_000

/** In the place of an authority: publishes what a gateway asks for, and sends a list of any length as fast as it is taken. */
function start({ port, entries }: StandInOptions): void {
  const issuer = `http://127.0.0.1:${port}`
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const header = encoded({ alg: 'EdDSA', kid: 'one', typ: revocationPageType })
  const published: Readonly<Record<string, unknown>> = {
    '/.well-known/openid-configuration': {
      issuer,
      authorization_endpoint: `${issuer}/as`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      curfew_revocation_feed_endpoint: `${issuer}/feed`
    },
    '/keys': { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'EdDSA', use: 'sig' }] }
  }
  const page = (prev: number): { readonly token: string; readonly seq: number } => {
    const seq = Math.min(entries, prev + revocationPageEntriesMax)
    const second = Math.floor(Date.now() / 1000)
    const octets = randomBytes((seq - prev) * 16)
    const listed = Array.from({ length: seq - prev }, (_, i) => [octets.toString('base64url', i * 16, i * 16 + 16), second + 3_600 + i])
    const claims = { iss: issuer, aud: revocationPageAudience, iat: second, prev, seq, list: 'l', end: entries, more: seq < entries, entries: listed }
    const signed = `${header}.${encoded(claims)}`
    return { seq, token: `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}` }
  }
  const stream = async (after: number, response: ServerResponse): Promise<void> => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let position = after; !response.destroyed; ) {
      const { token, seq } = page(position)
      position = seq
      if (!response.write(`id: ${seq}\nevent: revocations\ndata: ${token}\n\n`)) await drained(response)
      if (seq === entries) await new Promise((resolve) => setTimeout(resolve, heartbeatMs))
    }
  }
  createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', issuer)
    if (pathname === '/feed') return void stream(Number(searchParams.get('after')), response)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(published[pathname] ?? {}))
  }).listen(port, '127.0.0.1', () => process.send?.('ready'))
  process.on('disconnect', () => process.exit())
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) start(JSON.parse(process.argv[2] ?? '{}') as StandInOptions)
