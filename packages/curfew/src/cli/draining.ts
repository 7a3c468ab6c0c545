import type { FastifyInstance } from 'fastify'
import type { Logger } from '../platform/logger.ts'
import type { NodeFacts } from '../stores/redis/nodes.ts'

/** Takes a node out of the work of the others, and back. */
export interface Draining {
  /** Asked for, or not any more; what was asked last counts. */
  set(isAsked: boolean): void
  /** Nothing is started again; resolves when nothing is under way. */
  stop(): Promise<void>
}

export interface DrainingDeps {
  readonly requests: Requests
  /** What takes work by itself and can be stopped and started. */
  readonly work: readonly { start(): void | Promise<void>; stop(): Promise<void> }[]
  /** Says to the other nodes how far this one is. */
  readonly tell: (work: NodeFacts['work']) => Promise<void>
  /** Called before anything is given up, and after everything was taken up again: load balancers hear of it. */
  readonly onChange: (isDraining: boolean) => void
  readonly logger: Pick<Logger, 'info' | 'error'>
}

export function createDraining({ requests, work, tell, onChange, logger }: DrainingDeps): Draining {
  let wanted = false
  let isDraining = false
  let isStopped = false
  let underWay: Promise<void> = Promise.resolve()
  let goOn: (() => void) | undefined

  const handOver = async (): Promise<void> => {
    isDraining = true
    onChange(true)
    await tell('draining')
    for (const each of work) await each.stop()
    const nobodyLeft = await Promise.race([
      requests.none().then(() => true),
      new Promise<false>((resolve) => {
        goOn = () => resolve(false)
        if (!wanted || isStopped) resolve(false)
      })
    ])
    if (!nobodyLeft) return
    await tell('drained')
    logger.info({ event: 'node.drained' }, 'This node has handed everything over and can be stopped')
  }
  const takeUp = async (): Promise<void> => {
    for (const each of work) await each.start()
    isDraining = false
    onChange(false)
    await tell(undefined)
    logger.info({ event: 'node.takes-work' }, 'This node takes work again')
  }
  const settle = async (): Promise<void> => {
    if (isStopped || wanted === isDraining) return
    await (wanted ? handOver() : takeUp())
  }
  return {
    set(isAsked) {
      wanted = isAsked
      if (!isAsked) goOn?.()
      underWay = underWay.then(settle).catch((error: unknown) => {
        logger.error({ event: 'node.drain-failed', err: error }, 'What was asked of this node could not be done; ask again')
      })
    },
    async stop() {
      isStopped = true
      goOn?.()
      await underWay
    }
  }
}

/** Requests that are being answered; a stream counts until it ends. */
export interface Requests {
  /** Resolves when there are none. */
  none(): Promise<void>
}

/** Counts the requests of a server that does not listen yet. */
export function countRequests(app: FastifyInstance): Requests {
  let open = 0
  const waiting = new Set<() => void>()
  app.addHook('onRequest', async (_request, reply) => {
    open += 1
    let isOver = false
    const over = (): void => {
      if (isOver) return
      isOver = true
      open -= 1
      if (open > 0) return
      for (const resolve of waiting) resolve()
      waiting.clear()
    }
    reply.raw.once('finish', over).once('close', over)
  })
  return { none: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => waiting.add(resolve))) }
}
