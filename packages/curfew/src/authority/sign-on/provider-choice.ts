/** An identity provider as the sign-in page offers it. */
export interface OfferedProvider {
  readonly id: string
  readonly name: string
  readonly logoUrl?: string
}

/** What the page shows of all identity providers. */
export interface ProviderChoice {
  /** The one that was chosen in this browser before; it stands first. */
  readonly remembered?: OfferedProvider
  readonly shown: readonly OfferedProvider[]
  /** How many fit and are not shown. */
  readonly more: number
  /** There are so many that a person may search. */
  readonly isSearchable: boolean
  readonly query: string
}

/** More than these at once nobody reads. */
export const providersShownMax = 20
/** From so many on there is a search field. */
export const searchableFrom = 6
export const queryCharactersMax = 100

/** Every word of the query has to be in the name, whatever its case and accents. */
export function chooseFrom(providers: readonly OfferedProvider[], query: string, rememberedId: string | undefined): ProviderChoice {
  const words = folded(query.slice(0, queryCharactersMax)).split(/\s+/).filter(Boolean)
  const remembered = words.length === 0 ? providers.find(({ id }) => id === rememberedId) : undefined
  const fitting = providers.filter((one) => one !== remembered && words.every((word) => folded(one.name).includes(word)))
  return {
    shown: fitting.slice(0, providersShownMax),
    more: Math.max(0, fitting.length - providersShownMax),
    isSearchable: providers.length >= searchableFrom,
    query: query.slice(0, queryCharactersMax),
    ...(remembered === undefined ? {} : { remembered })
  }
}

function folded(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase()
}
