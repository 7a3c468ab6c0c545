/** The three sign-out addresses of PingOne for Enterprise, as this authority serves them. */
export interface PingOneSettings {
  /** What their paths begin with, a slash at both ends. */
  readonly prefix: string
  /** Origins that `page` may always lead to. */
  readonly ownOrigins: readonly string[]
  /** Where a sign-out ends that names no `page`; absent: `logout.successUrl`, else the page of the run. */
  readonly landingUrl?: string
  /** `idpid` by authentication source, where it is not the id of the source itself. */
  readonly idpids: ReadonlyMap<string, string>
}

/** As the replaced service has them; browsers may bring bookmarks that lead there. */
export const ownOriginsDefault: readonly string[] = ['https://desktop.pingone.com', 'https://sso.connect.pingidentity.com']
export const prefixDefault = '/sso/'
