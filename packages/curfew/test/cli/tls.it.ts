import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connect, type PeerCertificate } from 'node:tls'
import { parse, stringify } from 'yaml'
import { type Certified, makeCertificate } from '../support/certificates.ts'
import { curfew, freePorts, startCurfew, stopped } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-tls-'))
const file = (name: string): string => join(folder, name)
const running: { child?: ChildProcess; log: string } = { log: '' }
const at = { main: 0, asking: 0, behind: 0, proxy: 0 }
let root: Certified
let clientAuthority: Certified
let wiki: Certified
let foreign: Certified

const wikiName = [{ O: ['Example'] }, { CN: ['wiki'] }]

async function writeOwn(prefix: string, name: string): Promise<void> {
  const own = await makeCertificate({ name: [{ CN: [name] }], by: root, alternative: [{ type: 'dns', value: 'localhost' }] })
  writeFileSync(file(`${prefix}.key.pem`), own.keyPem, { mode: 0o600 })
  writeFileSync(file(`${prefix}.crt.pem`), own.pem)
}

before(async () => {
  root = await makeCertificate({ name: [{ CN: ['Root of the test'] }], isAuthority: true })
  clientAuthority = await makeCertificate({ name: [{ CN: ['Clients'] }], isAuthority: true })
  const stranger = await makeCertificate({ name: [{ CN: ['Clients'] }], isAuthority: true })
  wiki = await makeCertificate({ name: wikiName, by: clientAuthority })
  foreign = await makeCertificate({ name: wikiName, by: stranger })
  const [main = 0, asking = 0, adminPort = 0, behind = 0, proxy = 0] = await freePorts(5)
  Object.assign(at, { main, asking, behind, proxy })
  const baseUrl = `https://localhost:${main}`
  assert.equal((await curfew(folder, ['init', '--base-url', baseUrl])).code, 0)
  await writeOwn('tls', 'first')
  writeFileSync(file('clients.pem'), clientAuthority.pem)
  const config = parse(readFileSync(file('curfew.yaml'), 'utf8')) as object
  const client = { protocol: 'oidc', redirectUris: ['http://wiki.localhost/cb'] }
  writeFileSync(
    file('curfew.yaml'),
    stringify({
      ...config,
      server: {
        baseUrl,
        listen: [`127.0.0.1:${main}`],
        trustedProxies: ['127.0.0.2/32'],
        tls: { key: 'tls.key.pem', certificate: 'tls.crt.pem' },
        clientCertificates: {
          listen: [`127.0.0.1:${asking}`],
          baseUrl: `https://localhost:${asking}`,
          authorities: 'clients.pem',
          header: { name: 'X-Client-Cert', format: 'pem' }
        }
      },
      admin: { listen: [`127.0.0.1:${adminPort}`] },
      connections: [
        { id: 'wiki', ...client, authentication: 'tlsClientAuth', certificateSubject: { kind: 'dn', value: 'CN=wiki,O=Example' }, sessionRevocation: true }
      ]
    })
  )
  const child = startCurfew(folder, ['start'])
  running.child = child
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (running.log += text))
  await logged(/server\.ready/)
})

after(async () => {
  running.child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function logged(pattern: RegExp): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (pattern.test(running.log)) return
    assert.equal(running.child?.exitCode, null, running.log)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail(`${String(pattern)} was not logged: ${running.log}`)
}

interface Answer {
  readonly status: number
  readonly body: string
}

interface Call {
  readonly port: number
  readonly path: string
  readonly body: string
  readonly type?: string
  readonly by?: Certified
  readonly headers?: Readonly<Record<string, string>>
}

function post({ port, path, body, type = 'application/x-www-form-urlencoded', by, headers }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        servername: 'localhost',
        port,
        path,
        method: 'POST',
        ca: root.pem,
        agent: false,
        headers: { 'content-type': type, 'x-xsrf-header': 'x', ...headers },
        ...(by === undefined ? {} : { key: by.keyPem, cert: by.pem })
      },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: text }))
      }
    )
    call.once('error', reject)
    call.end(body)
  })
}

const introspect = (port: number, by?: Certified, headers?: Call['headers']): Promise<Answer> =>
  post({
    port,
    path: '/as/introspect.oauth2',
    body: 'client_id=wiki&token=x',
    ...(by === undefined ? {} : { by }),
    ...(headers === undefined ? {} : { headers })
  })

/** Who the server says it is. */
async function shownBy(port: number): Promise<PeerCertificate> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: root.pem })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerCertificate()
  socket.destroy()
  return certificate
}

/** Files are looked at every 5 to 15 seconds. */
async function untilShown(name: string): Promise<void> {
  for (let i = 0; i < 800; i++) {
    if ((await shownBy(at.main)).subject.CN === name && (await shownBy(at.asking)).subject.CN === name) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail(`${name} is not shown`)
}

suite('TLS of the authority itself', { timeout: 120_000 }, () => {
  test('every address speaks HTTPS, and nothing below TLS 1.2', async () => {
    assert.equal((await shownBy(at.main)).subject.CN, 'first')
    const old = connect({
      host: '127.0.0.1',
      port: at.main,
      servername: 'localhost',
      ca: root.pem,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0'
    })
    await assert.rejects(once(old, 'secureConnect'))
  })

  test('a client proves itself by its certificate where one is asked for, and nowhere else', async () => {
    assert.equal((await introspect(at.asking, wiki)).status, 200)
    assert.equal((await introspect(at.asking)).status, 401)
    assert.equal((await introspect(at.asking, foreign)).status, 401)
    assert.equal((await introspect(at.main, wiki)).status, 401)
  })

  test('a header with a certificate from an address that is no trusted proxy is dropped', async () => {
    const headers = { 'x-client-cert': encodeURIComponent(wiki.pem) }
    assert.equal((await introspect(at.main, undefined, headers)).status, 401)
    assert.equal((await introspect(at.asking, foreign, headers)).status, 401)
  })

  test('the session API takes it', async () => {
    const path = '/pf-ws/rest/sessionMgmt/revokedSris?client_id=wiki'
    const call = { port: at.asking, path, type: 'application/json', body: '{"id":"no-such-sri"}' }
    assert.equal((await post({ ...call, by: wiki })).status, 400)
    assert.equal((await post({ ...call, by: foreign })).status, 401)
  })

  test('nginx in front hands the certificate on', async () => {
    const proxy = await startNginx()
    try {
      assert.equal((await introspect(at.proxy, wiki)).status, 200)
      assert.equal((await introspect(at.proxy, foreign)).status, 401)
      assert.equal((await introspect(at.proxy)).status, 401)
      // What the client writes into the header itself is overwritten.
      assert.equal((await introspect(at.proxy, undefined, { 'x-client-cert': encodeURIComponent(wiki.pem) })).status, 401)
    } finally {
      proxy.kill('SIGTERM')
      await once(proxy, 'exit')
    }
  })

  test('doctor looks at the certificate, the names in it and the authorities', async () => {
    const { out } = await curfew(folder, ['doctor'])
    assert.match(out, /warn {2}TLS certificate: its certificate ends/)
    assert.match(out, /ok {4}TLS certificate for localhost: it names this host/)
    assert.match(out, /authority of clients CN=Clients/)
  })

  test('new files are taken over at a hang-up, without a restart', async () => {
    await writeOwn('tls', 'second')
    running.child?.kill('SIGHUP')
    await untilShown('second')
    assert.equal(running.child?.exitCode, null)
  })

  test('files that can not be used change nothing but the log', async () => {
    writeFileSync(file('tls.crt.pem'), (await makeCertificate({ name: [{ CN: ['of another key'] }], by: root })).pem)
    running.child?.kill('SIGHUP')
    await logged(/tls\.reload-failed/)
    assert.equal((await shownBy(at.main)).subject.CN, 'second')
    await writeOwn('tls', 'third')
  })

  test('changed files are found without anybody saying so', async () => {
    await untilShown('third')
  })

  test('an authority that is taken out vouches for nobody any more', async () => {
    writeFileSync(file('clients.pem'), (await makeCertificate({ name: [{ CN: ['Other clients'] }], isAuthority: true })).pem)
    const before = running.log.split('tls.reloaded').length
    running.child?.kill('SIGHUP')
    for (let i = 0; i < 5_000 && running.log.split('tls.reloaded').length === before; i++) await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal((await introspect(at.asking, wiki)).status, 401)
  })

  test('it stops when it is told to', async () => {
    assert.equal(await stopped(running.child ?? assert.fail()), 0)
  })
})

/** The configuration of the guide: nginx asks for a certificate, verifies nothing, and hands it on. */
async function startNginx(): Promise<ChildProcess> {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')
  writeFileSync(
    file('nginx.conf'),
    `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1; user root;
events { worker_connections 64; }
http { access_log off; ${paths}
  server {
    listen 127.0.0.1:${at.proxy} ssl;
    ssl_certificate ${file('tls.crt.pem')};
    ssl_certificate_key ${file('tls.key.pem')};
    ssl_verify_client optional_no_ca;
    location / {
      proxy_pass https://127.0.0.1:${at.main};
      proxy_bind 127.0.0.2;
      proxy_set_header Host $http_host;
      proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
    }
  }
}`
  )
  const child = spawn('nginx', ['-p', folder, '-c', file('nginx.conf')], { stdio: 'inherit' })
  const failed = new Promise<never>((_, reject) => child.once('error', () => reject(new Error('nginx (Debian: nginx-light) must be on the path'))))
  const listening = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) {
      const answer = await shownBy(at.proxy).catch(() => undefined)
      if (answer !== undefined) return
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    throw new Error('nginx does not listen')
  }
  await Promise.race([failed, listening()])
  return child
}
