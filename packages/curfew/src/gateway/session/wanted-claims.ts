import type { GatewaySettings } from '../settings.ts'

/** Only what some application of a web session is told: the cookie has little room. */
export function wantedClaims(
  { applications }: Pick<GatewaySettings, 'applications'>,
  webSessionId: string,
  claims: Readonly<Record<string, unknown>>
): Readonly<Record<string, unknown>> {
  const names = new Set(applications.filter(({ webSession }) => webSession.id === webSessionId).flatMap(({ headers }) => Object.values(headers)))
  return Object.fromEntries([...names].flatMap((name) => (claims[name] === undefined ? [] : [[name, claims[name]]])))
}
