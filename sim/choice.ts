/** @throws RangeError when there is nothing to choose from */
export function anyOf<T>(list: readonly T[], fraction: () => number): T {
  const chosen = list[Math.floor(fraction() * list.length)]
  if (chosen === undefined) throw new RangeError('nothing to choose from')
  return chosen
}
