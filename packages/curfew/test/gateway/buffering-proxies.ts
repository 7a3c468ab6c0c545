import { once } from 'node:events'
import { type ClientRequest, createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import { startNginx } from '../support/nginx.ts'

/** What stands between a reader of the feed and the authority, and keeps a stream until it is over. */
export interface BufferingProxy extends AsyncDisposable {
  /** What was asked of the feed, in order. */
  asked(): readonly ('stream' | 'page')[]
}

type Start = (port: number, authorityPort: number) => Promise<BufferingProxy>

const feedPath = '/pf-ws/rest/sessionMgmt/revocationFeed'

/** Answers at `port` what the authority answers. A stream: its head at once, or nothing, and the rest at its end. */
async function startHolding(held: 'body' | 'head', port: number, authorityPort: number): Promise<BufferingProxy> {
  const asked: ('stream' | 'page')[] = []
  const onwards = new Set<ClientRequest>()
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { url = '', method, headers } = request
    if (url.startsWith(feedPath)) asked.push(isStream(headers.accept) ? 'stream' : 'page')
    const onward = httpRequest({ host: '127.0.0.1', port: authorityPort, path: url, method, headers, agent: false }, (answer) => {
      const head = (): ServerResponse => response.writeHead(answer.statusCode ?? 0, answer.headers)
      if (!isStream(answer.headers['content-type'])) return void answer.pipe(head())
      if (held === 'body') head().flushHeaders()
      const kept: Buffer[] = []
      answer.on('data', (chunk: Buffer) => kept.push(chunk))
      answer.on('end', () => (response.headersSent ? response : head()).end(Buffer.concat(kept)))
    })
    onwards.add(onward)
    onward.on('error', () => response.destroy()).on('close', () => onwards.delete(onward))
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      server.close().closeAllConnections()
      for (const onward of onwards) onward.destroy()
      await once(server, 'close')
    }
  }
}

/** Real nginx as an operator may have set it up: it takes no advice of the authority, and asks it by HTTP/1.0, as it does where nobody says otherwise. */
async function startBufferingNginx(port: number, authorityPort: number): Promise<BufferingProxy> {
  const nginx = await startNginx(
    `log_format asked '$uri $http_accept';
server { access_log FOLDER/asked asked; listen 127.0.0.1:${port};
  location / { proxy_pass http://127.0.0.1:${authorityPort}; proxy_set_header Host $http_host;
    proxy_buffering on; proxy_buffers 8 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 128k; proxy_ignore_headers X-Accel-Buffering; } }`,
    port
  )
  return {
    asked: () =>
      nginx
        .linesOf('asked')
        .filter((line) => line.startsWith(feedPath))
        .map((line) => (isStream(line) ? 'stream' : 'page')),
    [Symbol.asyncDispose]: () => nginx[Symbol.asyncDispose]()
  }
}

function isStream(text = ''): boolean {
  return text.includes('text/event-stream')
}

export const bufferingProxies: Readonly<Record<string, Start>> = {
  'a proxy that passes the head of a stream only': (port, authorityPort) => startHolding('body', port, authorityPort),
  'a proxy that passes nothing of a stream': (port, authorityPort) => startHolding('head', port, authorityPort),
  'nginx that buffers whatever it is told': startBufferingNginx
}
