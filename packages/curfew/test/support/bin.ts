import { fileURLToPath } from 'node:url'

/** The command line as a program: what the runner of the tests has bundled, which starts sooner; the sources without it. */
export const bin = process.env['CURFEW_TEST_PROGRAM'] ?? fileURLToPath(new URL('../../bin/curfew.js', import.meta.url))
