import { keyOf } from './artifact-key.ts'

/**
 * The engine's name of the grant of a session and client.
 * @param generation - how many there were before it in that session
 */
export function grantIdOf(accountId: string, clientId: string, generation = 0): string {
  return keyOf(`grant\0${accountId}\0${clientId}${generation === 0 ? '' : `\0${generation}`}`)
}

/** What the artifacts of that grant are kept under. */
export function grantKeyOf(accountId: string, clientId: string, generation = 0): string {
  return keyOf(grantIdOf(accountId, clientId, generation))
}
