import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { failovers } from '../failover/failovers.ts'
import type { Spoil } from '../redis/server.ts'

/** @param from - a little before the first seed that finds it, so that the test does not take long */
async function firstBroken(from: number, spoil: Spoil): Promise<string> {
  for (let seed = from; seed <= from + 100; seed++) {
    const { broken } = await failovers({ seed, spoil })
    if (broken !== undefined) return broken
  }
  return 'nothing found'
}

/** Puts something else in the place of a part of the functions of the store. */
function changed(part: string, to = ''): Spoil {
  return {
    functions(source) {
      assert.ok(source.includes(part), `the functions have no "${part}" any more`)
      return source.replace(part, to)
    }
  }
}

suite('The store for many nodes on simulated servers that fail', () => {
  test('what copies confirmed is there, nobody who signed out is let in, every logout ends: 8 seeds', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const { broken, trace } = await failovers({ seed })
      assert.equal(broken, undefined, `seed ${seed}: ${broken}\n${trace.join('\n')}`)
    }
  })

  test('one seed gives the same trace every time', async () => {
    assert.deepEqual(await failovers({ seed: 20 }), await failovers({ seed: 20 }))
  })

  test('a plan that came too late for what joined meanwhile is not carried out when copies are owed it (seed 169)', async () => {
    assert.equal((await failovers({ seed: 169 })).broken, undefined)
  })

  test('nobody is asked after an outcome where its answer is stored while another node is about to ask once more: 20 seeds', async () => {
    let overtaken = 0
    for (let seed = 5; seed <= 100; seed += 5) {
      const { broken, trace } = await failovers({ seed })
      assert.equal(broken, undefined, `seed ${seed}: ${broken}`)
      overtaken += trace.filter((line) => line.includes('hears nothing for')).length
    }
    assert.ok(overtaken >= 5, `it came to that ${overtaken} times`)
  })

  test('servers that say copies have what they do not have are found', async () => {
    const lost = /is not found by its cookie|is not known|is not there|is accepted|is live again|had ended and took|although its outcome is final/
    assert.match(await firstBroken(4, { waitLies: true }), lost)
  })

  test('a session that takes applications after its end is found', async () => {
    const spoil = changed("if state[2] then beat(P) return {'ended'} end\n  local known = redis.call('HGET', p", "local known = redis.call('HGET', p")
    assert.match(await firstBroken(3, spoil), /had ended and took/)
  })

  test('an ending that does not look whether the session changed since it was planned is found', async () => {
    assert.match(
      await firstBroken(
        17,
        changed("  if state[1] ~= a[2] then return {'changed'} end\n  if redis.call('EXISTS', P .. 'r:' .. a[11]) == 1 then return {'taken'} end\n")
      ),
      /exactly one delivery/
    )
  })

  test('a run that takes the state of whoever writes last is found', async () => {
    const spoil = changed("if tonumber(a[2]) ~= tonumber(known) + 1 or (a[9] ~= '' and redis.sha1hex(state[3]) ~= a[9]) then", 'if false then')
    assert.match(await firstBroken(171, spoil), /its outcome is final|exactly one delivery|twice with/)
  })

  test('an end that leaves its run behind is found', async () => {
    assert.match(await firstBroken(1, changed('  insert_run(P, a, 11)\n  tell(P, a[9])\n')), /ended without its run/)
  })

  test('a call that takes its own work for that of another, because the answer was lost, is found', async () => {
    const isMine = "if is_seen and first and redis.call('ZSCORE', P .. 'yb', first) then beat(P) return 'fresh' end"
    assert.match(await firstBroken(18, changed(isMine)), /id \d+ was good for nobody/)
    assert.match(
      await firstBroken(116, changed("return a[4] and known[3] == a[4] and 'consumed' or 'already'", "return 'already'")),
      /code \d+ was good for nobody/
    )
    assert.match(await firstBroken(24, changed('if by[1] == a[5] then beat(P) return {by[2]} end')), /transaction \d+ was good for nobody/)
    assert.match(await firstBroken(116, changed("redis.call('HGET', k, 'b') == a[5] and 'created' or 'exists'", "'exists'")), /mark \d+ was good for nobody/)
  })

  test('what is good twice is found', async () => {
    assert.match(await firstBroken(1, changed("redis.call('HSET', k, 'c', a[2])\n  if a[4]", 'if a[4]')), /code \d+ was used up, and is good again/)
  })

  test('a list of revocations that takes none is found', async () => {
    assert.match(await firstBroken(1, changed("redis.call('HSET', v, 'u', a[2], 'a', at)")), /not on the list of revocations|is not revoked/)
  })
})
