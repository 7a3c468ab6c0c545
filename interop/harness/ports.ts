import { freeRange } from '../../packages/curfew/test/support/ports.ts'

/** Ports of loopback that nobody listens at now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const first = await freeRange(count)
  return Array.from({ length: count }, (_, i) => first + i)
}
