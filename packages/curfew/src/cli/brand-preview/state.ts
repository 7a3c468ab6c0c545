import type { Html } from '../../authority/pages/html.ts'
import type { MessageKey, Translate } from '../../authority/pages/messages.ts'
import { type PageContext, renderPage } from '../../authority/pages/page.ts'

/** One page in one of its states, as it is sent to people. */
export interface PageState {
  /** Name of its files. */
  readonly id: string
  /** When people see it, for whoever looks at the preview. */
  readonly when: string
  draw(context: PageContext): Html | Promise<Html>
}

/** States that belong together. */
export interface Section {
  readonly title: string
  readonly states: readonly PageState[]
}

/** A state of a page that is sent as a whole. */
export function state(id: string, when: string, title: MessageKey | ((t: Translate) => string), body: (context: PageContext) => Html): PageState {
  const titleOf = typeof title === 'string' ? (t: Translate) => t(title) : title
  return { id, when, draw: (context) => renderPage(context, { title: titleOf(context.t), body: body(context) }) }
}
