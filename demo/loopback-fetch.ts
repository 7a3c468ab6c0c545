import { request as httpRequest } from 'node:http'
import type { Fetch } from '@curfew/sdk'

/** Longest answer that is read, in bytes. */
const answerBytesMax = 256 * 1024
const timeoutMs = 5_000

/** Requests to the authority of the demo: its names end in `.localhost` and are this machine. */
export const loopbackFetch: Fetch = (url, init = {}) =>
  new Promise((resolve, reject) => {
    const { host, hostname, port, pathname, search } = new URL(url)
    const request = httpRequest(
      {
        host: hostname.endsWith('.localhost') ? '127.0.0.1' : hostname,
        port,
        path: pathname + search,
        method: init.method ?? 'GET',
        headers: { ...init.headers, host },
        timeout: timeoutMs
      },
      (response) => {
        const parts: Buffer[] = []
        let total = 0
        response.on('data', (part: Buffer) => {
          total += part.length
          if (total > answerBytesMax) response.destroy(new RangeError('the answer is too large'))
          else parts.push(part)
        })
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8')
          resolve({ status: response.statusCode ?? 0, json: async () => JSON.parse(text) as unknown })
        })
      }
    )
    request.on('timeout', () => request.destroy(new Error(`${host} did not answer`)))
    request.on('error', reject)
    request.end(init.body)
  })
