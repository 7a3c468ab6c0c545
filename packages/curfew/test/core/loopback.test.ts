import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isLoopback } from '../../src/core/loopback.ts'

suite('Loopback hosts', () => {
  for (const host of ['localhost', 'curfew.localhost', '127.0.0.1', '127.0.0.9', '[::1]']) {
    test(`${host} is one`, () => assert.equal(isLoopback(host), true))
  }
  for (const host of ['localhost.example.com', 'notlocalhost', '127.example.com', '10.0.0.1', '[::2]', '']) {
    test(`"${host}" is none`, () => assert.equal(isLoopback(host), false))
  }
})
