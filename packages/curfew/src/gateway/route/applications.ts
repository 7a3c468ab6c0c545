import { CurfewError } from '@curfew/codecs'
import type { ApplicationSettings, GatewaySettings } from '../settings.ts'
import { liesBelow, type RequestPath } from './request-path.ts'

/** The application that a request is for, and the address that the browser knows it by. */
export interface Place {
  readonly application: ApplicationSettings
  /** Scheme, host and port as the browser has them. */
  readonly origin: string
  readonly host: string
  readonly isSecure: boolean
}

/** Finds applications by what stands in `Host`, which decides nothing else. */
export interface Applications {
  /**
   * The application with the longest context root that the path lies below.
   * @throws CURFEW_GATEWAY_PATH when that depends on who reads the path
   */
  find(host: string | undefined, path: RequestPath): Place | undefined
  /** Every application of a host. */
  ofHost(host: string | undefined): readonly Place[]
}

export function createApplications({ applications }: Pick<GatewaySettings, 'applications'>): Applications {
  const hosts = new Map<string, readonly Place[]>()
  const places = applications.flatMap((application) =>
    application.origins.map((text): Place => {
      const { origin, host, protocol } = new URL(text)
      return { application, origin, host, isSecure: protocol === 'https:' }
    })
  )
  for (const place of places) {
    const known = hosts.get(place.host) ?? []
    hosts.set(
      place.host,
      [...known, place].sort((a, b) => b.application.contextRoot.length - a.application.contextRoot.length)
    )
  }
  const ofHost = (host: string | undefined): readonly Place[] => hosts.get((host ?? '').toLowerCase()) ?? []
  const below = (host: string | undefined, path: string): Place | undefined => ofHost(host).find(({ application }) => liesBelow(path, application.contextRoot))
  return {
    ofHost,
    find(host, { meaning, literal }) {
      const place = below(host, meaning)
      if (literal !== meaning && below(host, literal) !== place) throw new CurfewError('CURFEW_GATEWAY_PATH')
      return place
    }
  }
}

/** The reserved path of an application, without a slash at the end. */
export function reservedRoot({ reservedPath }: Pick<GatewaySettings, 'reservedPath'>, { contextRoot, reservedBelowRoot }: ApplicationSettings): string {
  return reservedBelowRoot && contextRoot !== '/' ? contextRoot + reservedPath : reservedPath
}
