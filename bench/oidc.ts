import type { ReceiverState } from './oidc/arrival.ts'
import { benchBackChannel } from './oidc/back-channel.ts'
import { startChild } from './oidc/child.ts'
import type { DriverAsk } from './oidc/driver.ts'
import { benchFlows } from './oidc/flows.ts'
import { benchIntrospection } from './oidc/introspection.ts'
import { benchTold } from './oidc/told.ts'

/** The OpenID provider beside the engine alone, an empty route, and a bare signature with a bare request. */
export async function benchOidc(): Promise<readonly string[]> {
  await using driver = await startChild<DriverAsk, number>(new URL('oidc/driver.ts', import.meta.url))
  await using receiver = await startChild<object, ReceiverState>(new URL('oidc/receiver.ts', import.meta.url))
  const parts = [() => benchBackChannel(receiver), () => benchTold(receiver), () => benchIntrospection(driver), () => benchFlows(driver)]
  const lines: string[] = []
  for (const part of parts) lines.push(...(await part()), '')
  return lines.slice(0, -1)
}
