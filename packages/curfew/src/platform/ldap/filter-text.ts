/** Why a configured text is no filter; undefined: its parentheses fit. The directory judges the rest. */
export function filterProblem(filter: string): string | undefined {
  let depth = 0
  for (const [i, letter] of [...filter].entries()) {
    if (letter === '(') depth += 1
    if (letter === ')') depth -= 1
    if (depth === 0 && i < filter.length - 1) return 'write one filter in parentheses, such as (objectClass=person)'
    if (depth < 0) break
  }
  return depth === 0 && filter.startsWith('(') ? undefined : 'write a filter in parentheses, such as (objectClass=person)'
}
