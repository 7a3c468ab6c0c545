import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { hostileMessages } from '../packages/codecs/test/support/hostile.ts'
import { nodeSaml, type RivalKeys, samlifyParties } from './saml-rivals.ts'

type Rival = 'node-saml 5' | 'samlify 2'

/** A library that has not answered by then is stopped. */
const answerMsMax = 2_000

interface Job {
  readonly rival: Rival
  readonly keys: RivalKeys
}

/** What a library made of one document. */
interface Answer {
  readonly isTaken: boolean
  readonly cpuMs: number
}

/** What another library makes of the hostile documents, one after the other in a thread of its own: the slowest, and those without an answer. */
export async function hostileTo(rival: Rival, keys: RivalKeys): Promise<string> {
  const start = (): Worker => new Worker(new URL(import.meta.url), { workerData: { rival, keys } satisfies Job, stdout: true, stderr: true })
  let worker = start()
  let worst = { name: 'none', ms: 0 }
  const silent: string[] = []
  const taken: string[] = []
  for (const [name, xml] of Object.entries(hostileMessages)) {
    worker.postMessage(Buffer.from(xml).toString('base64'))
    const answer = await Promise.race([once(worker, 'message').then(([said]) => said as Answer), pause(answerMsMax)])
    if (answer === undefined) {
      silent.push(name)
      await worker.terminate()
      worker = start()
      continue
    }
    if (answer.isTaken) taken.push(name)
    if (answer.cpuMs > worst.ms) worst = { name, ms: answer.cpuMs }
  }
  await worker.terminate()
  const count = Object.keys(hostileMessages).length
  const tail = [
    ...(silent.length === 0 ? [] : [`${silent.length} of ${count} not answered within ${answerMsMax / 1000} s`]),
    ...(taken.length === 0 ? [] : [`takes ${taken.join(', ')}`])
  ]
  return `  ${`${rival}: slowest answer to 256 KiB`.padEnd(44)} ${worst.ms.toFixed(2).padStart(7)} ms (${[worst.name, ...tail].join('; ')})`
}

/** Reads what comes as a LogoutRequest by POST. */
function readerOf({ rival, keys }: Job): (encoded: string) => Promise<unknown> {
  if (rival === 'node-saml 5') {
    const saml = nodeSaml(keys)
    return (encoded) => saml.validatePostRequestAsync({ SAMLRequest: encoded })
  }
  const { sp, idp } = samlifyParties(keys)
  return (encoded) => sp.parseLogoutRequest(idp, 'post', { body: { SAMLRequest: encoded } })
}

async function answerTo(read: (encoded: string) => Promise<unknown>, encoded: string): Promise<Answer> {
  const before = process.threadCpuUsage()
  const isTaken = await read(encoded).then(
    () => true,
    () => false
  )
  const { user, system } = process.threadCpuUsage(before)
  return { isTaken, cpuMs: (user + system) / 1000 }
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  const read = readerOf(workerData as Job)
  port.on('message', (encoded: string) => void answerTo(read, encoded).then((answer) => port.postMessage(answer)))
}
