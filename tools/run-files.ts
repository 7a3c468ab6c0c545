import { run } from 'node:test'
import reporter, { type TestEvent } from './reporter.ts'

/**
 * Runs test files, each in a process of its own and in the order in which they are named: `node --test` sorts them by
 * name, and then the longest ones run last, beside nothing.
 */
const [concurrency, timeout, ...files] = process.argv.slice(2)
const events = run({ files, concurrency: Number(concurrency), timeout: Number(timeout), isolation: 'process', forceExit: true })
events.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1
})
for await (const text of reporter(events as unknown as AsyncIterable<TestEvent>)) process.stdout.write(text)
