import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Application } from './application.ts'
import { faultWords } from './legacy/fault.ts'
import { signInFaultWords } from './legacy/sign-in-fault.ts'

/**
 * The control desk of the demo, on 127.0.0.1 only: `GET /` lists the applications, `GET /<id>/journal` shows what an
 * application knows of its own sessions, `POST /<id>/fault` with `{"fault": "..."}` makes one misbehave at sign-outs, and
 * `POST /<id>/sign-in-fault` at sign-ins.
 */
export function createControl(applications: readonly Application[]): Server {
  return createServer((request, response) => {
    answer(applications, request, response).catch(() => send(response, 500, { error: 'the control desk failed' }))
  })
}

async function answer(applications: readonly Application[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, id = '', what = ''] = (request.url ?? '/').split('?')[0]?.split('/') ?? []
  if (id === '')
    return send(response, 200, {
      applications: applications.map((app) => ({
        id: app.id,
        url: app.url,
        faults: app.faults ?? [],
        signInFaults: app.signInFaults ?? [],
        keepsAccess: app.keepsAccess === true
      }))
    })
  const app = applications.find((candidate) => candidate.id === id)
  if (app === undefined) return send(response, 404, { error: `there is no application ${id}`, applications: applications.map((a) => a.id) })
  if (what === 'journal') return send(response, 200, { entries: app.journal.entries() })
  if ((what !== 'fault' && what !== 'sign-in-fault') || request.method !== 'POST')
    return send(response, 404, { error: 'journal, fault and sign-in-fault are what there is' })
  // A page of a browser can't send this type of body to another origin without asking first.
  if (request.headers['content-type'] !== 'application/json') return send(response, 415, { error: 'send application/json' })
  const { fault } = JSON.parse(await readAll(request)) as { fault?: unknown }
  const outcome = what === 'fault' ? setFault(app, fault) : setSignInFault(app, fault)
  return send(response, outcome.status, outcome.value)
}

interface Outcome {
  readonly status: 200 | 400 | 409
  readonly value: object
}

function setFault(app: Application, fault: unknown): Outcome {
  if (app.setFault === undefined) return { status: 409, value: { error: `${app.id} takes no faults` } }
  const known = app.faults?.find((one) => one === fault)
  if (known === undefined) return { status: 400, value: { error: `no such fault of ${app.id}`, faults: app.faults } }
  app.setFault(known)
  return { status: 200, value: { fault: known, words: faultWords[known] } }
}

function setSignInFault(app: Application, fault: unknown): Outcome {
  // Every application can do what it should.
  if (app.setSignInFault === undefined && fault === 'none') return { status: 200, value: { fault, words: signInFaultWords.none } }
  if (app.setSignInFault === undefined) return { status: 409, value: { error: `${app.id} takes no faults of sign-ins` } }
  const known = app.signInFaults?.find((one) => one === fault)
  if (known === undefined) return { status: 400, value: { error: `no such fault of ${app.id}`, faults: app.signInFaults } }
  app.setSignInFault(known)
  return { status: 200, value: { fault: known, words: signInFaultWords[known] } }
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
