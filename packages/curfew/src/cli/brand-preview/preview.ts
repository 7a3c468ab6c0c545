import type { Brand } from '../../authority/pages/brand.ts'
import { createMessages, type Language } from '../../authority/pages/messages.ts'
import type { PageContext } from '../../authority/pages/page.ts'
import { albumPage } from './album.ts'
import { albumPath, asFile, inScheme, type Scheme, schemes, statePath } from './page-file.ts'
import { gatewayStates, problemStates } from './problem-states.ts'
import { homeStates, linkStates, passwordStates, signInStates } from './sign-in-states.ts'
import { sessionsStates, signOffStates } from './sign-off-states.ts'
import type { PageState, Section } from './state.ts'

/** Every page that people see, in every state that is worth a look. */
export const previewSections: readonly Section[] = [
  signInStates,
  linkStates,
  passwordStates,
  homeStates,
  signOffStates,
  sessionsStates,
  problemStates,
  gatewayStates
]

/** A file of the preview; its path has `/` between folders. */
export interface PreviewFile {
  readonly path: string
  readonly text: string
}

/** Draws all pages with the renderers of the server, in both colour schemes. The same brand gives the same octets. */
export async function* preview(brand: Brand, languages: readonly Language[]): AsyncGenerator<PreviewFile> {
  const messages = createMessages(brand.messages)
  for (const language of languages) {
    yield { path: albumPath(language, languages), text: albumPage({ brand, language, languages, sections: previewSections }) }
    const contextOf = (scheme: Scheme): PageContext => ({ language, t: messages(language), brand: inScheme(brand, scheme), nonce: fileNonce, path: '/' })
    for (const state of previewSections.flatMap(({ states }) => states))
      for (const scheme of schemes) yield { path: statePath(state.id, language, scheme), text: await drawn(state, contextOf(scheme), scheme) }
  }
}

/** Nothing is sent with a file, so that nobody has to guess it. */
const fileNonce = 'preview'

async function drawn(state: PageState, context: PageContext, scheme: Scheme): Promise<string> {
  return asFile((await state.draw(context)).toString(), context.nonce, scheme)
}
