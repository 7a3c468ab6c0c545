import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { startNginx } from '../support/nginx.ts'
import { freeRange } from '../support/ports.ts'
import { createSeededRandom } from '../support/seeded-random.ts'
import { createGatewayKit } from '../gateway/kit.ts'

const parts = [
  'a',
  '.',
  '..',
  '/',
  '//',
  '%2e',
  '%2E%2e',
  '.%2e',
  '%2f',
  '%5c',
  '\\',
  ';x',
  ';/',
  '..;',
  '%252e',
  '%25',
  '%00',
  '%3b',
  'public',
  'secret',
  '?',
  '%3f',
  '%23',
  'ü'
]
const random = createSeededRandom(5)
const pick = (): string => parts[Math.floor(random.fraction() * parts.length)] ?? ''

/** Paths that begin below the open root and try to leave it, and paths that try to get there from outside. */
const corpus: readonly string[] = [
  '/public/x',
  '/public/../secret',
  '/public/%2e%2e/secret',
  '/public/..%2fsecret',
  '/public%2f..%2fsecret',
  '/public/..;/secret',
  '/public/%252e%252e/secret',
  '/public//../secret',
  '//public/x',
  '/secret/../public/x',
  '/secret/..%2fpublic/x',
  '/secret?/public/x',
  '/secret%3f/public/x',
  '/secret;/../public/x',
  ...Array.from(
    { length: 400 },
    (_, i) => (i % 2 === 0 ? '/public/' : '/') + Array.from({ length: 1 + Math.floor(random.fraction() * 6) }, pick).join('') + (i % 3 === 0 ? '/secret' : '')
  )
]

/** Every path on a connection of its own, as it is; the answer as text. */
function raw(port: number, host: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
    socket.write(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 'utf8'))
  })
}

suite('nginx as the application behind the gateway', () => {
  test('what the gateway takes for an open path nginx takes for one, whatever the spelling', async (t) => {
    const port = await freeRange(1)
    await using _nginx = await startNginx(
      `server { listen 127.0.0.1:${port}; location / { return 200 "closed"; } location /public/ { return 200 "open"; } location = /public { return 200 "open"; } }`,
      port
    )
    await using kit = await createGatewayKit({ applications: [{ urls: ['WIKI'], target: `http://127.0.0.1:${port}`, anonymous: ['/public'] }] })
    const { host, port: gatewayPort } = new URL(kit.wiki)
    let passed = 0
    let refused = 0
    for (const path of corpus) {
      const answer = await raw(Number(gatewayPort), host, path)
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
      assert.ok([200, 303, 400].includes(status), `${path}: ${status}`)
      if (status === 400) refused += 1
      if (status !== 200) continue
      passed += 1
      assert.ok(answer.endsWith('open'), `nginx takes ${path} for something that is not open`)
    }
    t.diagnostic(`${corpus.length} paths: ${passed} open for both, ${refused} refused as having two meanings`)
    assert.ok(passed >= 20 && refused >= 100)
  })
})
