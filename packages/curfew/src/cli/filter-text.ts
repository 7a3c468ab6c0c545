import { filterWords } from '../admin/event-filter.ts'
import { nearest } from '../config/nearest.ts'

/** What the event stream is asked for. */
export type FilterQuery = Readonly<Partial<Record<(typeof filterWords)[number], string>>>

/**
 * Reads `app=payroll,wiki outcome=failed`: every word has to fit, by one of its values. A value with spaces stands in
 * double quotes.
 * @throws RangeError saying what can not be read
 */
export function readFilter(text: string): FilterQuery {
  const query: Record<string, string> = {}
  for (const [part] of text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)) {
    const [, word = '', value = ''] = /^([^=]*)=?(.*)$/.exec(part) ?? []
    if (!filterWords.some((known) => known === word)) throw new RangeError(unknownWord(word))
    const plain = value.replaceAll('"', '')
    if (plain === '' || (value.match(/"/g)?.length ?? 0) % 2 === 1) throw new RangeError(`Give ${word} a value: ${word}=...`)
    query[word] = query[word] === undefined ? plain : `${query[word]},${plain}`
  }
  return query
}

function unknownWord(word: string): string {
  const meant = nearest(word, filterWords)
  return `"${word}" is no word of a filter.${meant === undefined ? '' : ` Did you mean "${meant}"?`} Use: ${filterWords.join(', ')}.`
}
