/** Text that is safe to send as HTML: made only by {@link html}, {@link trusted} and {@link join}. */
export class Html {
  readonly #text: string
  constructor(text: string, key: typeof makeHtml) {
    if (key !== makeHtml) throw new TypeError('Html is made by the html tag')
    this.#text = text
  }
  toString(): string {
    return this.#text
  }
}

const makeHtml: unique symbol = Symbol('html')

type Fragment = Html | string | number | undefined | false | readonly Fragment[]

/**
 * Builds HTML from a template; every value is escaped unless it is {@link Html} itself. Attribute values in the
 * template must stand in double quotes. `undefined` and `false` give nothing, lists are joined.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Fragment[]): Html {
  let out = parts[0] ?? ''
  values.forEach((value, i) => {
    out += render(value) + (parts[i + 1] ?? '')
  })
  return new Html(out, makeHtml)
}

/** Marks text that this product wrote itself (a style sheet, a script) as HTML. Never for input. */
export function trusted(text: string): Html {
  return new Html(text, makeHtml)
}

/**
 * Before the first button of a form with several: a key that sends the form without naming a button presses none of them. Browsers
 * take the first one, and do nothing where that is disabled.
 * @see HTML Standard, implicit submission
 */
export function noDefaultButton(form?: string): Html {
  return html`<button disabled hidden${form === undefined ? undefined : html` form="${form}"`}></button>`
}

/** Escapes text for element content and for attribute values in double quotes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')
}

function render(value: Fragment): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Html) return value.toString()
  if (typeof value === 'string') return escapeHtml(value)
  if (typeof value === 'number') return String(value)
  return value.map(render).join('')
}
