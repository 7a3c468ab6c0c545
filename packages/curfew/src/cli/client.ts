import { existsSync, readFileSync } from 'node:fs'
import { CurfewError } from '@curfew/codecs'
import { type Dispatcher, request as undiciRequest } from 'undici'
import { commandLineAgent } from '../admin/actor.ts'
import type {
  AccountLinkView,
  AuditView,
  ClusterView,
  ConfigView,
  DryRunView,
  EndedView,
  EventGap,
  EventView,
  HealthView,
  LogoutRequestBody,
  PeerView,
  PlaceView,
  ProblemView,
  RegisteredClientView,
  ResetView,
  RunView,
  SessionDetail,
  SessionView,
  StreamView
} from '../admin/schemas.ts'
import { ApiProblem } from './api-problem.ts'
import { readEvents, type SentEvent } from './event-source.ts'
import { version } from './version.ts'

/** The admin API from the outside, as the commands use it. */
export interface AdminClient {
  /** Whom it asks. */
  readonly server: string
  health(): Promise<HealthView>
  sessions(query: Readonly<Record<string, string | undefined>>): Promise<{ items: SessionView[]; nextCursor?: string }>
  session(id: string): Promise<SessionDetail>
  endSession(id: string, endOfflineGrants: boolean): Promise<EndedView>
  logout(body: LogoutRequestBody): Promise<EndedView | DryRunView>
  runs(query: Readonly<Record<string, string | undefined>>): Promise<{ items: RunView[]; nextCursor?: string }>
  run(id: string): Promise<RunView>
  receipt(id: string): Promise<string>
  retry(run: string, delivery: string): Promise<RunView>
  /** Every state of a run from now on, until it is done or `signal` says stop. */
  watch(id: string, signal: AbortSignal): AsyncGenerator<RunView>
  peers(): Promise<PeerView[]>
  config(): Promise<ConfigView>
  resetPassword(username: string): Promise<ResetView>
  accountLinks(username: string): Promise<AccountLinkView[]>
  removeAccountLink(username: string, id: string): Promise<{ readonly removed: string }>
  cluster(): Promise<ClusterView>
  /** Lets another store announce itself under the id of a group. */
  forgetGroup(group: string): Promise<{ readonly forgotten: boolean }>
  owner(session: string): Promise<PlaceView>
  /** Asks a node to stop taking work, or to take it again. */
  drain(node: string, verb: 'drain' | 'undrain'): Promise<unknown>
  streams(): Promise<StreamView[]>
  setStreamStatus(connection: string, status: StreamView['status'], reason?: string): Promise<StreamView>
  verifyStream(connection: string): Promise<{ readonly connection: string }>
  clients(): Promise<RegisteredClientView[]>
  removeClient(id: string): Promise<{ readonly removed: string }>
  audit(query: Readonly<Record<string, string | undefined>>): Promise<AuditView[]>
  /** What happens, until the server ends the stream, or `signal` does. */
  events(query: Readonly<Record<string, string | undefined>>, signal: AbortSignal): AsyncGenerator<ToldEvent>
}

/** One message of the event stream; `position` is where to go on behind it. */
export type ToldEvent =
  | { readonly kind: 'event'; readonly position: string; readonly event: EventView }
  | { readonly kind: 'gap'; readonly position: string; readonly gap: EventGap }
  | { readonly kind: 'position'; readonly position: string }

export interface ClientOptions {
  /** `http://127.0.0.1:9999` */
  readonly server: string
  readonly token: string
}

export function createAdminClient(options: ClientOptions): AdminClient {
  const call = async <T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> =>
    (await readJson(options, await send(options, method, path, body))) as T
  const query = (values: Readonly<Record<string, string | undefined>>): string => {
    const text = new URLSearchParams(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined)).toString()
    return text === '' ? '' : `?${text}`
  }
  const part = encodeURIComponent
  return {
    server: options.server,
    health: () => call('GET', '/v1/health'),
    resetPassword: (username) => call('POST', `/v1/users/${part(username)}/password-reset`),
    accountLinks: async (username) => (await call<{ items: AccountLinkView[] }>('GET', `/v1/users/${part(username)}/links`)).items,
    removeAccountLink: (username, id) => call('DELETE', `/v1/users/${part(username)}/links/${part(id)}`),
    cluster: () => call('GET', '/v1/cluster'),
    forgetGroup: (group) => call('POST', `/v1/cluster/groups/${part(group)}/forget`),
    drain: (node, verb) => call('POST', `/v1/cluster/nodes/${part(node)}/${verb}`),
    owner: (session) => call('GET', `/v1/cluster/owner/${part(session)}`),
    sessions: (values) => call('GET', `/v1/sessions${query(values)}`),
    session: (id) => call('GET', `/v1/sessions/${part(id)}`),
    endSession: (id, endOfflineGrants) => call('POST', `/v1/sessions/${part(id)}/logout`, endOfflineGrants ? { endOfflineGrants } : undefined),
    logout: (body) => call('POST', '/v1/logout', body),
    runs: (values) => call('GET', `/v1/runs${query(values)}`),
    run: (id) => call('GET', `/v1/runs/${part(id)}`),
    receipt: async (id) => readText(options, await send(options, 'GET', `/v1/runs/${part(id)}/receipt`)),
    retry: (run, delivery) => call('POST', `/v1/runs/${part(run)}/deliveries/${part(delivery)}/retry`),
    watch: (id, signal) => watch(options, id, signal),
    config: () => call('GET', '/v1/config'),
    peers: async () => (await call<{ items: PeerView[] }>('GET', '/v1/peers')).items,
    streams: async () => (await call<{ items: StreamView[] }>('GET', '/v1/streams')).items,
    setStreamStatus: (connection, status, reason) =>
      call('POST', `/v1/streams/${part(connection)}/status`, { status, ...(reason === undefined ? {} : { reason }) }),
    verifyStream: (connection) => call('POST', `/v1/streams/${part(connection)}/verify`),
    clients: async () => (await call<{ items: RegisteredClientView[] }>('GET', '/v1/clients')).items,
    removeClient: (id) => call('DELETE', `/v1/clients/${part(id)}`),
    audit: async (values) => (await call<{ items: AuditView[] }>('GET', `/v1/audit${query(values)}`)).items,
    events: (values, signal) => follow(options, `/v1/events${query(values)}`, signal)
  }
}

async function send(
  options: ClientOptions,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  signal?: AbortSignal
): Promise<Dispatcher.ResponseData> {
  let answer: Dispatcher.ResponseData
  try {
    answer = await undiciRequest(options.server + path, {
      method,
      headers: {
        authorization: `Bearer ${options.token}`,
        'user-agent': `${commandLineAgent}/${version}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' })
      },
      bodyTimeout: 0,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal })
    })
  } catch (cause) {
    if (signal?.aborted === true) throw cause
    throw new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { server: options.server }, { cause })
  }
  if (answer.statusCode < 400) return answer
  const problem = (await readJson(options, answer)) as Partial<ProblemView> | null
  if (typeof problem?.code !== 'string' || typeof problem.title !== 'string') throw foreign(options, answer)
  throw new ApiProblem(problem as ProblemView)
}

/** @throws CURFEW_CLI_SERVER_FOREIGN for an answer that is no JSON, CURFEW_CLI_SERVER_UNREACHABLE for one that broke off */
async function readJson(options: ClientOptions, answer: Dispatcher.ResponseData): Promise<unknown> {
  const text = await readText(options, answer)
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw foreign(options, answer, cause)
  }
}

async function readText(options: ClientOptions, answer: Dispatcher.ResponseData): Promise<string> {
  try {
    return await answer.body.text()
  } catch (cause) {
    throw new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { server: options.server, why: 'its answer broke off' }, { cause })
  }
}

function foreign({ server }: ClientOptions, { statusCode, headers }: Dispatcher.ResponseData, cause?: unknown): CurfewError {
  const type = headers['content-type']
  return new CurfewError('CURFEW_CLI_SERVER_FOREIGN', { server, status: statusCode, ...(typeof type === 'string' ? { type } : {}) }, { cause })
}

/** @throws CURFEW_CLI_SERVER_UNREACHABLE when the server goes away before `signal` says that it is enough */
async function* stream(options: ClientOptions, path: string, signal: AbortSignal, brokeOff: (cause?: unknown) => CurfewError): AsyncGenerator<SentEvent> {
  const answer = await send(options, 'GET', path, undefined, signal)
  if (!/^text\/event-stream\b/.test(String(answer.headers['content-type']))) throw foreign(options, answer)
  try {
    yield* readEvents(answer.body.setEncoding('utf8') as AsyncIterable<string>)
  } catch (error) {
    if (!signal.aborted) throw brokeOff(error)
  }
}

async function* watch(options: ClientOptions, id: string, signal: AbortSignal): AsyncGenerator<RunView> {
  const why = 'it stopped while the run was followed; the run goes on when it is back'
  const brokeOff = (cause?: unknown): CurfewError => new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { server: options.server, run: id, why }, { cause })
  let isDone = false
  for await (const { data } of stream(options, `/v1/runs/${encodeURIComponent(id)}/events`, signal, brokeOff)) {
    const run = JSON.parse(data) as RunView
    isDone = run.state === 'done'
    yield run
  }
  if (!isDone && !signal.aborted) throw brokeOff()
}

async function* follow(options: ClientOptions, path: string, signal: AbortSignal): AsyncGenerator<ToldEvent> {
  const brokeOff = (cause?: unknown): CurfewError =>
    new CurfewError('CURFEW_CLI_SERVER_UNREACHABLE', { server: options.server, why: 'it stopped while its events were followed' }, { cause })
  for await (const { event, data } of stream(options, path, signal, brokeOff)) {
    const told = JSON.parse(data) as EventView & EventGap
    const { position } = told
    if (event === 'event') yield { kind: 'event', position, event: told }
    else if (event === 'gap') yield { kind: 'gap', position, gap: told }
    else yield { kind: 'position', position }
  }
}

/** Reads the token file. @throws CURFEW_CONFIG_FILE */
export function readToken(path: string): string {
  if (!existsSync(path))
    throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'the token of the admin API is not there; is the server on this machine, and its configuration?' })
  return readFileSync(path, 'utf8').trim()
}
