import type { SPRole } from '@curfew/codecs'
import type { DraftLine } from '../imports/draft.ts'

/** What a service provider asks to be told of people; nothing is sent until somebody says so. */
export function attributeLines(about: string, { requestedAttributes = [] }: SPRole): readonly DraftLine[] {
  return requestedAttributes.map(({ name, friendlyName, isRequired }): DraftLine => {
    const wish = isRequired ? 'it needs it' : 'it asks for it'
    const value = JSON.stringify({ [name]: friendlyName ?? '<attribute of the user>' })
      .replace(/^\{/, '{ ')
      .replace(/\}$/, ' }')
    const what = `attribute ${friendlyName ?? name}`
    return { about, what, verdict: 'approximated', setting: 'attributes', note: `${wish}, and it is not sent until you write attributes: ${value}` }
  })
}
