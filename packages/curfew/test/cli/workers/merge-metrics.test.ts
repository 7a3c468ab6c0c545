import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { mergeMetrics } from '../../../src/cli/workers/merge-metrics.ts'
import { restartDelayMs } from '../../../src/cli/workers/restart-delay.ts'
import { createMetrics } from '../../../src/platform/metrics.ts'

suite('Several workers', () => {
  test('their figures are one page: every family once, every sample with its worker', async () => {
    const pages = await Promise.all(
      [1, 2].map((worker) => {
        const metrics = createMetrics()
        metrics.registry.setDefaultLabels({ worker: String(worker) })
        metrics.signIns.inc({ result: 'opened' }, worker * 3)
        metrics.storeWriteSeconds.observe({ call: 'openSession' }, 0.002)
        return metrics.registry.metrics()
      })
    )
    const page = mergeMetrics(pages)
    const lines = page.split('\n')
    assert.deepEqual(lines.filter((line) => line.startsWith('curfew_sign_ins_total{')).sort(), [
      'curfew_sign_ins_total{result="opened",worker="1"} 3',
      'curfew_sign_ins_total{result="opened",worker="2"} 6'
    ])
    const described = lines.filter((line) => line.startsWith('# TYPE '))
    assert.equal(new Set(described).size, described.length)
    // Nothing is lost, and the samples of a family stand together.
    assert.deepEqual(
      lines.filter((line) => !line.startsWith('#')).sort(),
      pages
        .join('\n')
        .split('\n')
        .filter((line) => !line.startsWith('#') && line !== '')
        .concat('')
        .sort()
    )
    const first = lines.findIndex((line) => line.startsWith('curfew_store_write_seconds_'))
    const last = lines.findLastIndex((line) => line.startsWith('curfew_store_write_seconds_'))
    assert.ok(lines.slice(first, last + 1).every((line) => line.startsWith('curfew_store_write_seconds_')))
  })

  test('one that ends again and again is started at growing distances, half a minute at most', () => {
    assert.deepEqual([1, 2, 3, 7, 8, 1_000].map(restartDelayMs), [250, 500, 1_000, 16_000, 30_000, 30_000])
  })
})
