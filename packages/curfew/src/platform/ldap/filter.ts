import { AndFilter, EqualityFilter, type Filter, FilterParser, GreaterThanEqualsFilter, LessThanEqualsFilter, OrFilter } from 'ldapts'

/**
 * Entries that `filter` describes and that have this value in one of the attributes. The value becomes a node of the
 * filter and is never read as a part of its text, whatever it holds.
 */
export function namedFilter(filter: string, attributes: readonly string[], value: string): Filter {
  return new AndFilter({
    filters: [FilterParser.parseString(filter), new OrFilter({ filters: attributes.map((attribute) => new EqualityFilter({ attribute, value })) })]
  })
}

/** Entries that `filter` describes and whose attribute lies between two values, both included. */
export function betweenFilter(filter: string, attribute: string, from: string, to: string): Filter {
  return new AndFilter({
    filters: [FilterParser.parseString(filter), new GreaterThanEqualsFilter({ attribute, value: from }), new LessThanEqualsFilter({ attribute, value: to })]
  })
}
