import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isCurfewError, messageLimits, verifyLogoutRequest } from '../../src/index.ts'
import { hostileMessages } from '../support/hostile.ts'
import { peer, posted } from '../support/messages.ts'

// How long each refusal takes is a figure of `npm run bench`.
suite('Hostile messages are refused', () => {
  for (const [name, xml] of Object.entries(hostileMessages)) {
    test(name, () => {
      assert.ok(Buffer.byteLength(xml) <= messageLimits.documentBytesMax, 'the size itself must not be what is refused')
      assert.throws(() => verifyLogoutRequest(posted(xml), peer), isCurfewError)
    })
  }
})
