import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { DemoRegions } from './demo-regions.ts'

/**
 * Where a person cuts wires and kills nodes of the demo: `GET /` says how things are, `POST /cut/paris`, `/heal/paris`,
 * `/enter/paris`, `/kill/berlin-1` and `/start/berlin-1` change them. For this machine only, and not for pages of others.
 */
export async function startControl(regions: DemoRegions, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = (status: number, text: string): void => void response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
    const isForeign = request.headers.origin !== undefined || request.headers['sec-fetch-site'] !== undefined
    if (isForeign) return answer(403, 'From a command line only.')
    if (request.method === 'GET') return answer(200, stateOf(regions))
    const [, verb = '', name = ''] = (request.url ?? '').split('/')
    change(regions, verb, name).then(
      () => answer(200, stateOf(regions)),
      (error: unknown) => answer(400, error instanceof Error ? error.message : String(error))
    )
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function change(regions: DemoRegions, verb: string, name: string): Promise<void> {
  const node = regions.node(name)
  switch (verb) {
    case 'cut':
      return regions.cut(name)
    case 'heal':
      return regions.heal(name)
    case 'enter':
      return regions.enter(name)
    case 'kill':
    case 'start':
      if (node === undefined) throw new TypeError(`there is no node ${name}`)
      return verb === 'kill' ? node.kill() : node.start()
  }
  throw new TypeError(`write cut, heal, enter, kill or start, not ${verb}`)
}

/** One line for each region. */
export function stateOf({ regions, entered, isCut }: DemoRegions): string {
  return regions
    .map((region) => {
      const nodes = region.nodes.map(({ name, pid }) => (pid === undefined ? `${name} is down` : `${name} is process ${pid}`))
      const notes = [...(region === entered ? ['browsers are led here'] : []), ...(isCut(region.name) ? ['cut off'] : [])]
      return [`${region.name}:`, nodes.join(', '), ...(notes.length === 0 ? [] : [`(${notes.join(', ')})`])].join(' ')
    })
    .join('\n')
}
