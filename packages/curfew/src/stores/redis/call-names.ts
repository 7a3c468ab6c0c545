/**
 * Names for calls of which one is to be the first: a call keeps its name as often as it is sent, and no other call of any
 * process has it. So one whose answer was lost is told from whoever comes after it.
 *
 * @param token - tells this process from every other; never used twice
 */
export function createCallNames(token: string): () => string {
  let calls = 0
  return () => {
    calls += 1
    return `${token}-${calls}`
  }
}
