import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { createStoreClock, type StoreClock } from '../../../src/stores/redis/store-clock.ts'

const t0 = 1_767_225_600_000

/** Machines whose dates differ, on servers whose answers take their time. */
function createWorld(serversAheadMs: readonly number[] = [0]) {
  let nowMs = 0
  const servers = serversAheadMs.map((aheadMs, i) => ({ name: `server${i}`, aheadMs, isDown: false, thereMs: 0, backMs: 0 }))
  const node = (aheadMs: number) => {
    const machine = { aheadMs, told: [] as string[] }
    const clock = createStoreClock({
      primaries: () =>
        servers.map((server) => ({
          name: server.name,
          async read() {
            if (server.isDown) throw new Error('gone')
            nowMs += server.thereMs
            const micros = Math.round((t0 + nowMs + server.aheadMs) * 1_000)
            nowMs += server.backMs
            return [String(Math.floor(micros / 1_000_000)), String(micros % 1_000_000)]
          }
        })),
      machine: { nowMs: () => Math.floor(t0 + nowMs + machine.aheadMs), after: () => ({ cancel: () => undefined }) },
      steadyMs: () => nowMs,
      onApart: (ms) => machine.told.push(`apart ${ms}`),
      onTogether: () => machine.told.push('together'),
      onServerApart: (server, ms) => machine.told.push(`${server} ${ms}`)
    })
    return { machine, clock }
  }
  return { servers, node, pass: (ms: number) => (nowMs += ms), trueMs: () => t0 + nowMs }
}

const minutes5 = 300_000

suite('the clock of the store', () => {
  test('machines whose clocks are ten minutes apart go by one time', async () => {
    const world = createWorld()
    const [ahead, behind] = [world.node(minutes5), world.node(-minutes5)]
    await Promise.all([ahead.clock.look(), behind.clock.look()])
    assert.equal(ahead.clock.nowMs(), world.trueMs())
    assert.equal(behind.clock.nowMs(), world.trueMs())
    assert.equal(ahead.clock.machineAheadMs, minutes5)
    assert.deepEqual([ahead.machine.told, behind.machine.told], [[`apart ${minutes5}`], [`apart ${-minutes5}`]])
  })

  test('a machine whose clock jumps while it runs is not moved, and says so until it is set right', async () => {
    const world = createWorld()
    const { clock, machine } = world.node(0)
    await clock.look()
    machine.aheadMs = minutes5
    world.pass(1_000)
    assert.equal(clock.nowMs(), world.trueMs(), 'before anybody asked the servers again')
    await clock.look()
    await clock.look()
    assert.deepEqual(machine.told, [`apart ${minutes5}`])
    machine.aheadMs = 0
    await clock.look()
    assert.equal(clock.nowMs(), world.trueMs())
    assert.deepEqual(machine.told, [`apart ${minutes5}`, 'together'])
  })

  test('a store whose clock is set takes all nodes along', async () => {
    const world = createWorld()
    const nodes = [world.node(0), world.node(20)]
    for (const { clock } of nodes) await clock.look()
    for (const server of world.servers) server.aheadMs = -minutes5
    for (const { clock } of nodes) await clock.look()
    assert.deepEqual(
      nodes.map(({ clock }) => clock.nowMs() - world.trueMs()),
      [-minutes5, -minutes5]
    )
    assert.ok(nodes.every(({ machine }) => machine.told.at(-1)?.startsWith('apart 300')))
  })

  test('one that is wrong moves nobody while another is away, and neither does the only one that answers', async () => {
    const world = createWorld([-minutes5, 0, 0])
    const { clock } = world.node(0)
    await clock.look()
    const [wrong, right, other] = world.servers
    assert.ok(wrong !== undefined && right !== undefined && other !== undefined)
    for (const away of [[other], [right], [right, other]]) {
      for (const server of world.servers) server.isDown = away.includes(server)
      world.pass(2_000)
      await clock.look()
      assert.equal(clock.nowMs(), world.trueMs(), away.map(({ name }) => name).join(' and '))
    }
    for (const server of world.servers) server.isDown = false
    await clock.look()
    assert.equal(clock.nowMs(), world.trueMs())
  })

  test('of several servers one that is wrong moves nobody, and is named once', async () => {
    const world = createWorld([0, minutes5, 4])
    const { clock, machine } = world.node(0)
    await clock.look()
    await clock.look()
    assert.ok(Math.abs(clock.nowMs() - world.trueMs()) <= 4)
    assert.equal(machine.told.length, 1)
    assert.match(machine.told[0] ?? '', /^server1 (299|300)\d{3}$/)
  })

  test('while no server answers it goes on', async () => {
    const world = createWorld([0, 0])
    const { clock } = world.node(minutes5)
    await clock.look()
    for (const server of world.servers) server.isDown = true
    world.pass(60_000)
    await assert.rejects(clock.look(), { name: 'LinkLost' })
    assert.equal(clock.nowMs(), world.trueMs())
    for (const server of world.servers.slice(1)) server.isDown = false
    await clock.look()
    assert.equal(clock.nowMs(), world.trueMs())
  })

  test('property: after a look no node is further from the server than the answer took', async () => {
    const delay = fc.integer({ min: 0, max: 400 })
    const look = fc.record({ node: fc.nat(2), thereMs: delay, backMs: delay, passMs: fc.nat(5_000), jumpMs: fc.integer({ min: -minutes5, max: minutes5 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(look, { minLength: 1, maxLength: 30 }), async (looks) => {
        const world = createWorld()
        const nodes = [world.node(minutes5), world.node(-minutes5), world.node(7)]
        const bounds = new Map<StoreClock, number>()
        for (const { node, thereMs, backMs, passMs, jumpMs } of looks) {
          const it = nodes[node]
          if (it === undefined) continue
          world.servers.forEach((server) => Object.assign(server, { thereMs, backMs }))
          it.machine.aheadMs = jumpMs
          await it.clock.look()
          bounds.set(it.clock, Math.min(bounds.get(it.clock) ?? Number.POSITIVE_INFINITY, thereMs + backMs))
          world.pass(passMs)
          for (const [clock, boundMs] of bounds) assert.ok(Math.abs(clock.nowMs() - world.trueMs()) <= boundMs + 1)
        }
      })
    )
  })
})
