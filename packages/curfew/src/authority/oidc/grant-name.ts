import { keyOf } from './artifact-key.ts'

/** The engine's name of the one grant of a session and client. */
export function grantIdOf(accountId: string, clientId: string): string {
  return keyOf(`grant\0${accountId}\0${clientId}`)
}

/** What the artifacts of that grant are kept under. */
export function grantKeyOf(accountId: string, clientId: string): string {
  return keyOf(grantIdOf(accountId, clientId))
}
