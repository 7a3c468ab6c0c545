import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { suite, test } from 'node:test'
import { CompactSign } from 'jose'
import { createReceiptSigner, receiptAlgorithm, type ReceiptKey, verifyReceipt } from '../../src/engine/receipt.ts'
import type { LogoutRun } from '../../src/core/run.ts'
import { createEngineKit } from '../support/engine-kit.ts'

const pairs: readonly (readonly [string, KeyObject])[] = [
  ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
  ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
  ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey]
]
const issuer = 'http://curfew.test'

async function finishedRun(): Promise<LogoutRun> {
  const kit = createEngineKit()
  const session = await kit.signIn(['payroll', 'gone'])
  await kit.engine.start()
  const runId = await kit.end(session.id)
  await kit.clock.settle()
  await kit.engine.stop()
  return kit.run(runId)
}

suite('receipt', () => {
  for (const [algorithm, key] of pairs) {
    test(`an ${algorithm} receipt says who, why, and for every participant channel, outcome, proof and times`, async () => {
      const run = await finishedRun()
      const signer = createReceiptSigner(issuer, keyOf(key))
      const receipt = await verifyReceipt(await signer.sign(run), createPublicKey(key))
      assert.equal(receipt.iss, issuer)
      assert.equal(receipt.run, run.id)
      assert.equal(receipt.user, 'local:ana')
      assert.equal(receipt.reason, 'admin')
      assert.deepEqual(receipt.startedBy, { kind: 'admin', id: 'ops' })
      assert.equal(receipt.verdict, 'partial')
      const line = receipt.participants.find(({ peer }) => peer === 'payroll')
      assert.equal(line?.channel, 'server/soap')
      assert.equal(line?.attempts, 1)
      assert.equal(line?.at, '2026-03-01T09:00:00.000Z')
      assert.deepEqual(line?.outcome, run.deliveries.find(({ peerId }) => peerId === 'payroll')?.outcome)
      assert.deepEqual(receipt.participants.find(({ peer }) => peer === 'gone')?.outcome, { kind: 'unsupported', code: 'CURFEW_RUN_PEER_UNKNOWN' })
    })
  }

  test('a receipt that was changed, signed with another key or made for another purpose is refused', async () => {
    const [[, rsa], [, ec]] = pairs as readonly [readonly [string, KeyObject], readonly [string, KeyObject]]
    const jws = await createReceiptSigner(issuer, keyOf(ec)).sign(await finishedRun())
    const [header = '', payload = '', signature = ''] = jws.split('.')
    const other = Buffer.from(Buffer.from(payload, 'base64url').toString().replace('unsupported', 'ended')).toString('base64url')
    const foreign = await new CompactSign(Buffer.from('{}')).setProtectedHeader({ alg: 'ES256', typ: 'logout+jwt' }).sign(ec)
    const publicKey = createPublicKey(ec)
    for (const forged of [`${header}.${other}.${signature}`, `${header}.${payload}.`, foreign, 'not a receipt', '']) {
      await assert.rejects(verifyReceipt(forged, publicKey), { code: 'CURFEW_RUN_RECEIPT_INVALID' })
    }
    await assert.rejects(verifyReceipt(jws, createPublicKey(rsa)), { code: 'CURFEW_RUN_RECEIPT_INVALID' })
  })

  test('no receipt holds the name by which a partner knows the user', async () => {
    const run = await finishedRun()
    const named = { ...run, deliveries: run.deliveries.map((delivery) => ({ ...delivery, nameId: { value: 'secret-name-id' } })) }
    const jws = await createReceiptSigner(issuer, keyOf(pairs[1]?.[1] as KeyObject)).sign(named)
    assert.doesNotMatch(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString(), /secret-name-id/)
  })
})

function keyOf(key: KeyObject): ReceiptKey {
  return { key, algorithm: receiptAlgorithm(key), kid: '3A:9F' }
}
