import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Application } from './application.ts'
import { faultWords } from './legacy/fault.ts'

/**
 * The control desk of the demo, on 127.0.0.1 only: `GET /` lists the applications, `GET /<id>/journal` shows what an
 * application knows of its own sessions, `POST /<id>/fault` with `{"fault": "..."}` makes one misbehave.
 */
export function createControl(applications: readonly Application[]): Server {
  return createServer((request, response) => {
    answer(applications, request, response).catch(() => send(response, 500, { error: 'the control desk failed' }))
  })
}

async function answer(applications: readonly Application[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, id = '', what = ''] = (request.url ?? '/').split('?')[0]?.split('/') ?? []
  if (id === '') return send(response, 200, { applications: applications.map((app) => ({ id: app.id, url: app.url, faults: app.faults ?? [] })) })
  const app = applications.find((candidate) => candidate.id === id)
  if (app === undefined) return send(response, 404, { error: `there is no application ${id}`, applications: applications.map((a) => a.id) })
  if (what === 'journal') return send(response, 200, { entries: app.journal.entries() })
  if (what !== 'fault' || request.method !== 'POST') return send(response, 404, { error: 'journal and fault are what there is' })
  // A page of a browser can't send this type of body to another origin without asking first.
  if (request.headers['content-type'] !== 'application/json') return send(response, 415, { error: 'send application/json' })
  const { fault } = JSON.parse(await readAll(request)) as { fault?: unknown }
  if (app.setFault === undefined) return send(response, 409, { error: `${id} takes no faults` })
  const known = app.faults?.find((one) => one === fault)
  if (known === undefined) return send(response, 400, { error: `no such fault of ${id}`, faults: app.faults })
  app.setFault(known)
  return send(response, 200, { fault: known, words: faultWords[known] })
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8')
    if (text.length > 4096) throw new RangeError('body too large')
  }
  return text
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
